// The source beside the answer: the document's text with the cited characters set off.

import { about, content, fileLink, needsKey, openFile } from "../shared/document.js";
import { byId, el, iconButton, toast } from "../shared/dom.js";
import { slice } from "../shared/points.js";
import { Excerpt } from "./excerpt.js";
import { replaced } from "./replaced.js";
import { placeOf, titleOf, verdictOf } from "./words.js";

const COVERS_ALL = "(max-width: 46rem)"; // as in chat.css

export class SourcePanel {
  #panel = byId("source");
  #opener = null;
  #shown = null;
  #leaving = new AbortController();
  #onclose;

  constructor({ onclose }) {
    this.#onclose = onclose;
    this.#panel.addEventListener(
      "keydown",
      (event) => event.key === "Escape" && (event.stopPropagation(), this.close()),
    );
  }

  get isOpen() {
    return !this.#panel.hidden;
  }

  /** A passage, and in it what the citation quotes. */
  async open({ answer, passage, citation }) {
    if (!passage) return;
    this.#leaving.abort();
    const leaving = (this.#leaving = new AbortController());
    if (!this.isOpen) this.#opener = document.activeElement;
    this.#shown = { answer, passage, citation };
    const collection = passage.collection ?? answer.collection;
    const span = citation ?? passage;
    const excerpt = new Excerpt(passage.text, passage.start, span, !citation);
    const links = el("div", { class: "row source-links" });
    const notes = el("div", { class: "source-notes" });
    this.#draw(excerpt, links, notes);
    this.#panel.hidden = false;
    document.body.classList.add("has-source");
    byId("middle").inert = matchMedia(COVERS_ALL).matches;
    this.#panel.querySelector("h2").focus();
    excerpt.reveal();
    const [row, isThere] = await Promise.all([
      this.#know(collection, notes, leaving.signal),
      this.#widen(collection, excerpt, notes, leaving.signal),
    ]);
    if (leaving.signal.aborted || !row) return;
    if (row.version === passage.version) {
      if (row.sha256) links.append(fileAnchor(collection, passage, row));
      return;
    }
    const quote = citation?.quote ?? passage.text;
    const { signal } = leaving;
    const [note, button] = replaced({ collection, row, passage, quote, cited: excerpt, isThere, signal });
    notes.append(note);
    if (button) links.append(button);
  }

  close() {
    if (!this.isOpen) return;
    this.#leaving.abort();
    this.#panel.hidden = true;
    this.#shown = null;
    document.body.classList.remove("has-source");
    byId("middle").inert = false;
    this.#onclose();
    if (this.#opener?.isConnected) this.#opener.focus();
  }

  #draw(excerpt, links, notes) {
    const { answer, passage, citation } = this.#shown;
    const place = placeOf(passage);
    this.#panel.replaceChildren(
      el(
        "header",
        { class: "source-head" },
        el(
          "div",
          {},
          el("h2", { tabindex: "-1", text: titleOf(passage) }),
          el("p", {
            class: "quiet",
            text: [passage.source !== titleOf(passage) && passage.source, place].filter(Boolean).join(" · "),
          }),
        ),
        iconButton("close", "Close the source", () => this.close()),
      ),
      ...(citation ? [verdict(answer, citation)] : []),
      notes,
      excerpt.element,
      links,
    );
  }

  /** What the document is by now; null where that is not to be known. */
  async #know(collection, notes, signal) {
    const { passage } = this.#shown;
    try {
      return await about(collection, passage);
    } catch (error) {
      const gone = error.status === 404;
      if (!signal.aborted)
        notes.append(
          el("p", {
            class: "note",
            text: gone ? "This document is not in the collection any more. Shown is what was cited." : error.message,
          }),
        );
      return null;
    }
  }

  /** Whether the text around is there, or can be fetched. */
  async #widen(collection, excerpt, notes, signal) {
    const { passage } = this.#shown;
    const fetching = async (whole) => {
      try {
        const text = await content(collection, passage, { whole, signal });
        if (signal.aborted) return false;
        if (text === null) excerpt.offer(() => fetching(true));
        else excerpt.widen(text);
        return true;
      } catch (error) {
        const known = [404, 410].includes(error.status); // the other note says so
        if (!signal.aborted && !known)
          notes.append(el("p", { class: "note", text: `The text around is not shown: ${error.message}` }));
        return false;
      }
    };
    return fetching(false);
  }
}

function verdict(answer, citation) {
  const { word, why } = verdictOf(citation.verdict);
  return el(
    "div",
    { class: `verdict ${citation.verdict}` },
    el("p", {}, el("strong", { class: `badge ${citation.verdict}`, text: word }), el("span", { text: ` ${why}` })),
    el(
      "p",
      { class: "claim" },
      el("span", { class: "quiet", text: "The answer: " }),
      slice(answer.text, citation.answer_start, citation.answer_end),
    ),
  );
}

function fileAnchor(collection, passage, row) {
  const isPdf = row.media_type === "application/pdf";
  const href = fileLink(collection, passage, row.media_type);
  const text = isPdf ? `Open the PDF${passage.page ? ` at page ${passage.page}` : ""}` : "Download the file";
  const onclick = (event) => {
    if (!needsKey()) return;
    event.preventDefault();
    openFile(href, row.source.split("/").at(-1)).catch((error) => toast(error.message, "error"));
  };
  return el("a", { class: "button", href, target: isPdf && "_blank", rel: "noopener", onclick, text });
}
