// One evaluation with all its figures, or two side by side.

import { API, all } from "../shared/api.js";
import { needsKey, openFile } from "../shared/document.js";
import { el, toast } from "../shared/dom.js";
import { badge, empty, facts, fill, table } from "./parts.js";
import { count, figure, moment, number } from "./words.js";

const MARKS = { better: "ok", worse: "failed", undecided: "" };

export class EvaluationView {
  title = "Evaluation";
  #place = el("div", { class: "document", id: "evaluation" });

  constructor() {
    this.element = el("section", { class: "view" }, this.#place);
  }

  show(id, other) {
    this.#place.replaceChildren();
    return fill(
      this.#place,
      () => all("/evaluations"),
      (items) => {
        const wanted = [id, other].filter(Boolean);
        const found = items.filter(({ evaluation_id }) => wanted.includes(evaluation_id));
        const back = el("p", {}, el("a", { href: "#evaluations", text: "All evaluations" }));
        if (found.length < wanted.length) return [back, empty("This evaluation is not kept any more.")];
        return [back, ...(found.length > 1 ? two(...found.reverse()) : one(found[0]))];
      },
    );
  }

  hide() {}
}

function one(row) {
  const { against } = row;
  return [
    el("h2", { text: `${row.configuration.collection}, ${moment(row.made_at)}` }),
    links(row),
    about(row),
    against && el("h3", { text: `Against ${against.name}` }),
    against && about(against),
    notes(row),
    row.gate.length && el("ul", { class: "findings" }, ...row.gate.map(finding)),
    against ? compared(row) : table("Figures", ["Figure", "What", "Value", "95 %", "Questions"], row.figures.map(line)),
    el("p", { class: "quiet", text: "Within the intervals lie 95 % of what resampling the questions gives." }),
  ];
}

function line({ name, label, value, unit, low, high, questions }) {
  return [name, label, figure(value, unit), `${figure(low, unit)} to ${figure(high, unit)}`, number(questions)];
}

function compared({ name, figures, differences, against }) {
  const pairs = new Map(differences.map((pair) => [pair.name, pair]));
  const rows = figures.map((ours) => {
    const pair = pairs.get(ours.name);
    if (!pair) return [ours.name, ours.label, figure(ours.value, ours.unit), "", "", "", ""];
    const between = `${signed(pair.low, ours.unit)} to ${signed(pair.high, ours.unit)}`;
    return [
      ours.name,
      ours.label,
      figure(pair.ours, ours.unit),
      figure(pair.theirs, ours.unit),
      signed(pair.difference, ours.unit),
      between,
      badge(MARKS[pair.mark], pair.mark),
    ];
  });
  const heads = ["Figure", "What", name, against.name, "Difference", "95 % of it", "Verdict"];
  return table("Figures of the same questions", heads, rows, { class: "wide" });
}

/** The earlier one first. */
function two(before, after) {
  const others = new Map(after.figures.map((one) => [one.name, one]));
  const names = [
    ...before.figures,
    ...after.figures.filter(({ name }) => !before.figures.some((a) => a.name === name)),
  ];
  const rows = names.map(({ name, label, unit }) => {
    const [a, b] = [before.figures.find((one) => one.name === name), others.get(name)];
    return [
      [name, el("p", { class: "quiet", text: label })],
      cell(a),
      cell(b),
      a && b ? signed(b.value - a.value, unit) : "",
    ];
  });
  const [first, second] = [moment(before.made_at), moment(after.made_at)];
  const heads = ["Figure", first, second === first ? `${second}, later` : second, "Difference"];
  const isSame = ["origin", "seed"].every((key) => before[key] === after[key]);
  const isLike = isSame && before.counts.questions === after.counts.questions;
  return [
    el("h2", { text: "Two evaluations side by side" }),
    !isLike &&
      el("p", {
        class: "note",
        text: "They are not of the same questions: differences may be those of the questions.",
      }),
    el(
      "div",
      { class: "sides" },
      ...[before, after].map((row) =>
        el(
          "section",
          {},
          el("h3", { text: `${row.configuration.collection}, ${moment(row.made_at)}` }),
          about(row),
          links(row),
        ),
      ),
    ),
    table("Figures of both", heads, rows, { class: "wide" }),
    el(
      "p",
      { class: "quiet" },
      "A difference that the intervals hold decides nothing. Question by question compares ",
      el("code", { text: "rag eval --against REPORT.json" }),
      ", with the report of the earlier one.",
    ),
  ];
}

function cell(one) {
  if (!one) return "";
  const { value, low, high, unit } = one;
  return [figure(value, unit), el("p", { class: "quiet", text: `${figure(low, unit)} to ${figure(high, unit)}` })];
}

function signed(value, unit) {
  const sign = value > 0 ? "+" : value < 0 ? "−" : "±";
  return `${sign}${figure(Math.abs(value), unit)}`;
}

function about({ configuration, server, concurrency, counts, origin }) {
  const failed = Object.entries(counts.failures ?? {}).map(([what, many]) => `${number(many)} × ${what}`);
  const { collection, ...how } = configuration;
  const said = Object.entries(how).map(([name, value]) => `${name}=${JSON.stringify(value)}`);
  return facts(
    [
      ["Collection", collection],
      ["Questions", `${count(counts.questions, "question")}, ${number(counts.answerable)} of them answerable`],
      ["From", origin],
      ["Asked with", said.join(" ").replaceAll('"', "")],
      ["At a time", number(concurrency)],
      ["Server", server],
      ["Citations", counts.citations && count(counts.citations, "citation")],
      ["Failed requests", failed.join(", ")],
    ].map(([name, value]) => [name, value || null]),
  );
}

function notes({ notes: said }) {
  return said.length && el("div", { class: "note" }, ...said.map((text) => el("p", { text })));
}

function finding({ is_ok, said }) {
  return el("li", {}, badge(is_ok ? "ok" : "failed", is_ok ? "held" : "fallen"), ` ${said}`);
}

function links({ evaluation_id: id, is_whole }) {
  if (!is_whole)
    return el("p", { class: "note", text: "Of its questions and hits nothing is left: a document of it was deleted." });
  const path = `${API}/evaluations/${encodeURIComponent(id)}`;
  return el(
    "div",
    { class: "row" },
    link("Open the report with its questions", `${path}/page`, `${id}.html`, { target: "_blank" }),
    link("Download it as JSON", path, `${id}.json`, { download: `${id}.json` }),
  );
}

/** With a key, links are fetched and handed over, as they carry none. */
function link(text, href, name, props) {
  const onclick = (event) => {
    if (!needsKey()) return;
    event.preventDefault();
    openFile(href, name).catch((error) => toast(error.message, "error"));
  };
  return el("a", { class: "button", href, rel: "noopener", onclick, text, ...props });
}
