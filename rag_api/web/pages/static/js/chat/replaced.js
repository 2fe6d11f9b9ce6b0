// A citation of a version that a newer one has replaced: what was cited, and the same words in the current text.

import { content } from "../shared/document.js";
import { el, toast } from "../shared/dom.js";
import { points } from "../shared/points.js";
import { Excerpt } from "./excerpt.js";

/** A note and a button. `cited` is what is shown; `isThere`: it is the cited version's own text, not just its passage. */
export function replaced({ collection, row, passage, quote, cited, isThere, signal }) {
  const found = el("div", { class: "source-notes", role: "status" });
  const shown = el("p", {
    text: isThere
      ? "Shown is the version that was cited."
      : "The text of the cited version is not kept. Shown is the passage that was cited, as the answer keeps it.",
  });
  const note = el(
    "div",
    { class: "note" },
    el("p", {
      text: `This document has been replaced: cited was version ${passage.version}, now it is ${row.version}.`,
    }),
    shown,
    found,
  );
  let current = null; // the excerpt of the current text, once it was asked for
  const button = el("button", { type: "button", class: "button", text: "Look into the current text" });
  button.addEventListener("click", async () => {
    const isShown = current?.element.isConnected;
    button.disabled = true;
    try {
      current ??= await open({ collection, row, passage, quote, signal, found });
      (isShown ? current : cited).element.replaceWith((isShown ? cited : current).element);
      (isShown ? cited : current).reveal();
      found.hidden = isShown;
      shown.hidden = !isShown;
      button.textContent = isShown ? "Look into the current text" : "Back to what was cited";
    } catch (error) {
      if (!signal.aborted) toast(`The current text is not shown: ${error.message}`, "error");
    }
    button.disabled = false;
  });
  return row.status === "ready" ? [note, button] : [note];
}

/** The current text, with the cited words set off where they stand in it to the letter. */
async function open({ collection, row, passage, quote, signal, found }) {
  const text = await content(collection, row, { whole: true, signal });
  const at = nearest(text, quote, passage.start);
  const start = at < 0 ? 0 : points(text, at);
  const excerpt = new Excerpt("", 0, { start, end: start + (at < 0 ? 0 : points(quote, quote.length)) }, false);
  excerpt.widen(text);
  const said =
    at < 0
      ? [
          el("p", { text: "These words do not stand in the current text any more:" }),
          el("blockquote", { class: "cited-words", text: quote }),
        ]
      : [el("p", { text: "The cited words stand in the current text, too." })];
  found.replaceChildren(...said);
  return excerpt;
}

/** Where the words stand closest to a place in the text, in UTF-16 units; -1: nowhere. */
function nearest(text, words, place) {
  let best = -1;
  for (let at = words ? text.indexOf(words) : -1; at >= 0; at = text.indexOf(words, at + 1)) {
    if (best >= 0 && Math.abs(at - place) >= Math.abs(best - place)) break;
    best = at;
  }
  return best;
}
