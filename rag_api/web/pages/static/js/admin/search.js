// Searching, and why a search shows what it shows.

import { call } from "../shared/api.js";
import { el } from "../shared/dom.js";
import { badge, empty, fill, select, table } from "./parts.js";
import { count, duration, fateOf, number, placeOf, score } from "./words.js";

const MODES = { hybrid: "Hybrid", dense: "Dense", lexical: "Lexical" };
const STAGES = ["embed", "dense", "lexical", "fuse", "check", "rerank"];

export class SearchView {
  title = "Search";
  #app;
  #query = el("input", {
    type: "search",
    id: "query",
    required: true,
    maxlength: "20000",
    "aria-label": "What to search for",
    placeholder: "What to search for",
    autocomplete: "off",
  });
  #mode = select("Mode", MODES, () => {});
  #top = el("input", { type: "number", min: "1", max: "100", value: "10", "aria-label": "How many hits" });
  #filter = el("input", {
    type: "text",
    placeholder: '{"year": 2024}',
    "aria-label": "Filter, as JSON",
    spellcheck: "false",
    autocomplete: "off",
  });
  #explain = el("input", { type: "checkbox", id: "explain", checked: true });
  #note = el("p", { class: "bad", role: "alert", hidden: true });
  #place = el("div", { id: "hits" });

  constructor(app) {
    this.#app = app;
    const form = el(
      "form",
      { class: "search-form" },
      el("div", { class: "search-line" }, this.#query, el("button", { class: "button primary", text: "Search" })),
      el(
        "div",
        { class: "row" },
        this.#mode.element,
        el("label", { class: "choice" }, el("span", { class: "quiet", text: "Hits" }), this.#top),
        el("label", { class: "choice filter" }, el("span", { class: "quiet", text: "Filter" }), this.#filter),
        el("label", { class: "check" }, this.#explain, "Explain"),
      ),
      this.#note,
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#search();
    });
    this.element = el("section", { class: "view" }, form, this.#place);
  }

  show() {
    if (!this.#place.childNodes.length)
      this.#place.replaceChildren(
        empty("Hits are shown with their scores, and every candidate with what became of it."),
      );
    this.#query.focus();
  }

  hide() {}

  #search() {
    const { collection } = this.#app;
    const body = {
      query: this.#query.value.trim(),
      mode: this.#mode.field.value,
      top_k: Number(this.#top.value),
      explain: this.#explain.checked,
    };
    this.#note.hidden = true;
    try {
      if (this.#filter.value.trim()) body.filter = JSON.parse(this.#filter.value);
    } catch (error) {
      this.#note.textContent = `The filter is no JSON: ${error.message}`;
      this.#note.hidden = false;
      return;
    }
    if (!body.query) return;
    this.#place.replaceChildren();
    fill(
      this.#place,
      () => call(`/collections/${encodeURIComponent(collection)}/search`, { method: "POST", body }),
      (found) => this.#draw(collection, found),
    );
  }

  #draw(collection, { hits, took_ms, degraded, explain }) {
    const lacks = degraded.length && el("p", { class: "note", text: `Done without: ${degraded.join(", ")}.` });
    const summary = el("p", {
      class: "quiet",
      role: "status",
      text: `${count(hits.length, "hit")} in ${duration(took_ms)}`,
    });
    const list = hits.length
      ? el("ol", { class: "hits" }, ...hits.map((hit) => hitItem(collection, hit)))
      : empty("Nothing found. With a filter: does it let any document pass?");
    return [lacks, summary, list, ...(explain ? explained(collection, hits, explain) : [])];
  }
}

function hitItem(collection, hit) {
  const scores = [
    ["fused", hit.scores.fused],
    ["dense", hit.scores.dense],
    ["lexical", hit.scores.lexical],
    ["reranker", hit.scores.rerank],
  ];
  const said = scores
    .filter(([, value]) => value !== null && value !== undefined)
    .map(([name, value]) => `${name} ${score(value)}`);
  const also =
    hit.also.length > 0 &&
    el("p", {
      class: "quiet",
      text: `The same text: ${hit.also.map(({ title, source }) => title || source).join(", ")}`,
    });
  return el(
    "li",
    { class: "hit" },
    el(
      "p",
      { class: "hit-head" },
      chunkLink(collection, hit.chunk_id, hit.title || hit.source),
      el("span", { class: "quiet", text: placeOf(hit) }),
    ),
    el("p", { class: "hit-text", text: hit.text }),
    el("p", { class: "quiet", text: [`score ${score(hit.score)}`, ...said].join(" · ") }),
    also,
  );
}

/** To the chunk in its document: an id is `document:version:index`. */
function chunkLink(collection, chunk_id, text) {
  const [document_id, , index] = chunk_id.split(":");
  return el("a", {
    href: `#document/${encodeURIComponent(collection)}/${encodeURIComponent(document_id)}/${index}`,
    title: chunk_id,
    text,
  });
}

function explained(collection, hits, { candidates, timings_ms }) {
  const titles = new Map(hits.map((hit) => [hit.document_id, hit.title || hit.source]));
  const isReranked = candidates.some(({ ranks }) => ranks.rerank !== null);
  const heads = [
    "Place",
    "Chunk",
    "Dense",
    "Lexical",
    "Fused",
    ...(isReranked ? ["Reranker"] : []),
    "What became of it",
  ];
  const cell = (value, rank) =>
    rank === null || rank === undefined
      ? "–"
      : [score(value), el("span", { class: "quiet", text: ` #${number(rank)}` })];
  const rows = candidates.map(({ chunk_id, scores, ranks, fate }) => {
    const [document_id, , index] = chunk_id.split(":");
    const name = `${titles.get(document_id) ?? document_id}, chunk ${index}`;
    const shown = ["dense", "lexical", "fused", ...(isReranked ? ["rerank"] : [])].map((kind) =>
      cell(scores[kind], ranks[kind]),
    );
    return [
      number(ranks.fused),
      chunkLink(collection, chunk_id, name),
      ...shown,
      badge(fate === "shown" ? "ok" : "", fateOf(fate)),
    ];
  });
  const spent = STAGES.filter((stage) => stage in timings_ms).map((stage) => [stage, duration(timings_ms[stage])]);
  return [
    el("h2", { text: "Why" }),
    el("p", {
      class: "quiet",
      text: `${count(candidates.length, "candidate")}; each score with its place among them.`,
    }),
    table("Candidates", heads, rows, { id: "candidates" }),
    table(
      "Time by stage; embed and then dense run beside lexical",
      spent.map(([stage]) => stage),
      [spent.map(([, took]) => took)],
      { id: "stages" },
    ),
  ];
}
