// A piece of a document's text, as much as one can read, with a span of it set off to the character.

import { el } from "../shared/dom.js";
import { Points } from "../shared/points.js";

const AROUND = 3_000;
const MORE = 15_000;

export class Excerpt {
  #text;
  #start;
  #end;
  #from = 0;
  #to;
  #span;
  #isWhole;
  #mark = el("mark", { id: "quoted" });
  #before = document.createTextNode("");
  #after = document.createTextNode("");
  #above = el("button", {
    type: "button",
    class: "small-button",
    text: "Show more above",
    onclick: () => this.#more(MORE, 0),
  });
  #below = el("button", {
    type: "button",
    class: "small-button",
    text: "Show more below",
    onclick: () => this.#more(0, MORE),
  });
  #box;

  /** `base` is where in the document the text begins; `span` is in the document, too. Both count code points. */
  constructor(text, base, span, isPassage) {
    this.#span = span;
    if (isPassage) this.#mark.className = "passage";
    this.#box = el(
      "div",
      { class: "excerpt", tabindex: "0", role: "region", "aria-label": "Text of the document" },
      this.#before,
      this.#mark,
      this.#after,
    );
    this.element = el("div", { class: "excerpt-frame" }, this.#above, this.#box, this.#below);
    this.#take(text, base, 0, text.length);
  }

  /** The same span, now in the whole text. */
  widen(text) {
    const points = new Points(text);
    const [start, end] = [points.units(this.#span.start), points.units(this.#span.end)];
    this.#isWhole = true;
    this.#take(text, 0, start - AROUND, end + AROUND);
    this.reveal();
  }

  /** A button that fetches what is not there yet. */
  offer(fetching) {
    const button = el("button", { type: "button", class: "small-button", text: "Fetch the whole text (it is large)" });
    button.addEventListener("click", () => {
      button.remove();
      fetching();
    });
    this.element.append(button);
  }

  reveal() {
    const [mark, box] = [this.#mark.getBoundingClientRect(), this.#box.getBoundingClientRect()];
    const room = Math.max((box.height - mark.height) / 2, 24);
    this.#box.scrollTop += mark.top - box.top - room;
  }

  #take(text, base, from, to) {
    const points = new Points(text);
    this.#text = text;
    this.#start = points.units(this.#span.start - base);
    this.#end = points.units(this.#span.end - base);
    this.#show(from, to);
  }

  #more(above, below) {
    const height = this.#box.scrollHeight;
    this.#show(this.#from - above, this.#to + below);
    if (above) this.#box.scrollTop += this.#box.scrollHeight - height;
    this.#box.focus();
  }

  #show(from, to) {
    this.#from = this.#atLine(Math.max(from, 0));
    this.#to = Math.min(to, this.#text.length);
    this.#before.data = this.#text.slice(this.#from, this.#start);
    this.#mark.textContent = this.#text.slice(this.#start, this.#end);
    this.#after.data = this.#text.slice(this.#end, this.#to);
    this.#above.hidden = !this.#isWhole || this.#from === 0;
    this.#below.hidden = !this.#isWhole || this.#to === this.#text.length;
  }

  /** A line's begin near by, so that no word is cut. */
  #atLine(from) {
    const line = from && this.#text.lastIndexOf("\n", from);
    return line > 0 && from - line < 2_000 && line < this.#start ? line + 1 : from;
  }
}
