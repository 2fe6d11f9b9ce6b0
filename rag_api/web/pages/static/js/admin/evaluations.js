// What `rag eval` measured: the reports that are kept, and a way to put two side by side.

import { all } from "../shared/api.js";
import { el } from "../shared/dom.js";
import { badge, button, empty, fill, table } from "./parts.js";
import { count, figure, moment } from "./words.js";

const MAIN = ["recall@10", "ndcg@10", "phrase@10", "answer_phrase", "refused_rightly", "search_p50_ms"];

export class EvaluationsView {
  title = "Evaluations";
  #app;
  #place = el("div", { id: "evaluations" });
  #chosen = new Set();
  #compare = button("Put the two chosen side by side", () => this.#side());

  constructor(app) {
    this.#app = app;
    this.element = el(
      "section",
      { class: "view" },
      el(
        "div",
        { class: "row toolbar" },
        this.#compare,
        button("Refresh", () => this.show()),
      ),
      this.#place,
      howto(),
    );
  }

  show() {
    this.#chosen.clear();
    this.#changed();
    return fill(
      this.#place,
      () => all("/evaluations"),
      (items) => this.#draw(items),
    );
  }

  hide() {}

  #draw(items) {
    if (!items.length) return empty("Nothing has been evaluated yet.");
    const heads = ["Choose", "When", "Collection", "Questions", "Figures", "Gate"];
    return table(
      "Evaluations, newest first",
      heads,
      items.map((one) => this.#row(one)),
      { class: "wide evaluations" },
    );
  }

  #row(one) {
    const { evaluation_id: id, made_at, configuration, counts, origin, gate, figures, against } = one;
    const choose = el("input", {
      type: "checkbox",
      "aria-label": `Choose the evaluation of ${moment(made_at)}`,
      onchange: () => {
        this.#chosen.delete(id);
        if (choose.checked) this.#chosen.add(id);
        this.#changed();
      },
    });
    const main = figures.filter(({ name }) => MAIN.includes(name));
    const fallen = gate.filter(({ is_ok }) => !is_ok).length;
    return [
      choose,
      el("a", { href: `#evaluation/${encodeURIComponent(id)}`, text: moment(made_at) }),
      [configuration.collection, against && el("p", { class: "quiet", text: `${one.name} against ${against.name}` })],
      [count(counts.questions, "question"), el("p", { class: "quiet", text: origin })],
      main.map(({ name, value, unit }) =>
        el("p", {}, el("span", { class: "quiet", text: `${name} ` }), figure(value, unit)),
      ),
      gate.length ? badge(fallen ? "failed" : "ok", fallen ? "fallen" : "held") : "",
    ];
  }

  #changed() {
    this.#compare.disabled = this.#chosen.size !== 2;
  }

  #side() {
    this.#app.go(`evaluation/${[...this.#chosen].map(encodeURIComponent).join("/")}`);
  }
}

function howto() {
  return el(
    "p",
    { class: "quiet" },
    "Evaluations are begun on the server’s terminal, with one’s own questions, ",
    el("code", { text: "rag eval questions.jsonl -c NAME" }),
    ", or with questions drawn from the text, ",
    el("code", { text: "rag eval -c NAME" }),
    ". The last hundred reports are kept and shown here.",
  );
}
