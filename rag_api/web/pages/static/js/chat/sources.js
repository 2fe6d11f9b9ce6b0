// The passages under an answer, those that it cites first.

import { el } from "../shared/dom.js";
import { placeOf, titleOf, verdictOf } from "./words.js";

/** Nodes; `open(passage, citation)` shows one of them. */
export function sources({ passages, citations, outcome }, open) {
  if (!passages.length) return [];
  const firsts = new Map();
  for (const citation of citations) if (!firsts.has(citation.n)) firsts.set(citation.n, citation);
  const ordered = [...passages].sort((a, b) => firsts.has(b.n) - firsts.has(a.n) || a.n - b.n);
  const items = ordered.map((passage) => item(passage, firsts.get(passage.n), open));
  const word =
    outcome === "no_answer"
      ? "Nearest passages"
      : firsts.size
        ? `Sources: ${firsts.size} cited of ${passages.length}`
        : `Passages read: ${passages.length}`;
  return [el("details", {}, el("summary", { text: word }), el("ol", { class: "source-list" }, ...items))];
}

function item(passage, citation, open) {
  const place = placeOf(passage);
  const badge = citation && el("span", { class: `badge ${citation.verdict}`, text: verdictOf(citation.verdict).word });
  return el(
    "li",
    {},
    el(
      "button",
      { type: "button", class: "source-button", onclick: () => open(passage, citation) },
      el("span", { class: "number", text: String(passage.n) }),
      el(
        "span",
        { class: "source-name" },
        titleOf(passage),
        place && el("span", { class: "quiet", text: ` ${place}` }),
      ),
      badge,
    ),
  );
}
