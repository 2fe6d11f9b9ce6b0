// A document's text as it was cut: every chunk near by is shaded in turn, one is set off to the character.

import { el } from "../shared/dom.js";
import { Points } from "../shared/points.js";

const AROUND = 4_000;
const MORE = 20_000;
const SHADES = ["cut-even", "cut-odd"];

export class CutText {
  #text;
  #points;
  #before = document.createTextNode("");
  #after = document.createTextNode("");
  #mark = el("mark", { id: "chunk" });
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
  #box = el(
    "div",
    { class: "cut-text", tabindex: "0", role: "region", "aria-label": "Text of the document" },
    this.#before,
    this.#mark,
    this.#after,
  );
  #chunks = [];
  #span = { start: 0, end: 0 }; // in UTF-16 units, as from and to
  #from = 0;
  #to = 0;

  constructor(text) {
    this.#text = text;
    this.#points = new Points(text);
    this.element = el("div", { class: "cut-frame" }, this.#above, this.#box, this.#below);
  }

  /** Sets off one of the chunks, which count code points. */
  show(chunks, chosen) {
    this.#chunks = chunks.map((chunk) => ({ index: chunk.index, ...this.#units(chunk) }));
    this.#span = this.#units(chosen);
    this.#window(this.#span.start - AROUND, this.#span.end + AROUND);
    const [mark, box] = [this.#mark.getBoundingClientRect(), this.#box.getBoundingClientRect()];
    this.#box.scrollTop += mark.top - box.top - Math.max((box.height - mark.height) / 2, 24);
  }

  #units({ start, end }) {
    return { start: this.#points.units(start), end: this.#points.units(end) };
  }

  #more(above, below) {
    const height = this.#box.scrollHeight;
    this.#window(this.#from - above, this.#to + below);
    if (above) this.#box.scrollTop += this.#box.scrollHeight - height;
    this.#box.focus();
  }

  #window(from, to) {
    const { start, end } = this.#span;
    const line = from > 0 ? this.#text.lastIndexOf("\n", from) : 0;
    this.#from = this.#whole(Math.max(line > from - 2_000 ? line + (line > 0) : from, 0));
    this.#to = this.#whole(Math.min(to, this.#text.length));
    this.#before.data = this.#text.slice(this.#from, start);
    this.#mark.textContent = this.#text.slice(start, end);
    this.#after.data = this.#text.slice(end, this.#to);
    this.#above.hidden = this.#from === 0;
    this.#below.hidden = this.#to === this.#text.length;
    this.#shade();
  }

  /** A place that cuts no pair of units in two. */
  #whole(unit) {
    return /[\udc00-\udfff]/.test(this.#text[unit] ?? "") ? unit - 1 : unit;
  }

  /** Chunks may overlap, so elements can't hold them; where the browser has no highlights, the chosen one is enough. */
  #shade() {
    if (!CSS.highlights) return;
    const shades = SHADES.map(() => new Highlight());
    for (const chunk of this.#chunks) {
      const [start, end] = [Math.max(chunk.start, this.#from), Math.min(chunk.end, this.#to)];
      if (start >= end) continue;
      const range = new Range();
      range.setStart(...this.#place(start, true));
      range.setEnd(...this.#place(end, false));
      shades[chunk.index % 2].add(range);
    }
    SHADES.forEach((name, i) => CSS.highlights.set(name, shades[i]));
    const chosen = new Range();
    chosen.selectNodeContents(this.#mark);
    CSS.highlights.set("cut-chosen", Object.assign(new Highlight(chosen), { priority: 1 })); // above the others
  }

  #place(unit, isStart) {
    const { start, end } = this.#span;
    if (isStart ? unit < start : unit <= start) return [this.#before, unit - this.#from];
    if (this.#mark.firstChild && (isStart ? unit < end : unit <= end)) return [this.#mark.firstChild, unit - start];
    return [this.#after, unit - end];
  }
}
