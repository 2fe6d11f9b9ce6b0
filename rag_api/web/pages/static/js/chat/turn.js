// A question and its answer on the page.

import { el, iconButton } from "../shared/dom.js";
import { MarkdownView } from "../markdown/view.js";
import { Citations, isOver } from "./answer.js";
import { Marks } from "./marks.js";
import { actions } from "./actions.js";
import { sources } from "./sources.js";
import { endOf, progressOf, summaryOf, titleOf, verdictOf } from "./words.js";

export class Turn {
  #answer;
  #run;
  #hooks;
  #citations;
  #marks = new Marks();
  #drawing = 0;
  #parts = {};
  #view;
  #isSettled = false;

  /** Hooks: `cite(turn, passage, citation)`, `again(turn)`, `pick(turn, step)`, `drawn(turn)`. */
  constructor(answer, hooks) {
    this.#answer = answer;
    this.#hooks = hooks;
    this.#citations = new Citations(answer);
    this.element = this.#frame();
    this.#view = new MarkdownView(this.#parts.text, (token) => this.#marker(token));
    this.#draw();
  }

  get answer() {
    return this.#answer;
  }

  get run() {
    return this.#run;
  }

  follow(run) {
    this.#run = run;
    this.#answer = run.answer;
    run.listen(() => this.#soon());
    this.#soon();
  }

  /** Which of how many answers to the same question this is. */
  place(at, of) {
    const { place } = this.#parts;
    place.hidden = of < 2;
    place.replaceChildren(
      iconButton("left", "The answer before", () => this.#hooks.pick(this, -1), { disabled: at === 0 }),
      el("span", { text: `${at + 1} of ${of}` }),
      iconButton("right", "The answer after", () => this.#hooks.pick(this, 1), { disabled: at === of - 1 }),
    );
  }

  /** Marks what a citation stands for, or nothing any more. */
  point(citation) {
    const span = citation && this.#citations.spans().find((one) => one.citation === citation);
    this.#marks.set("cited", span ? this.#view.ranges(span.start, span.end) : []);
    for (const button of this.element.querySelectorAll("button.cite")) {
      button.setAttribute("aria-expanded", String(this.#answer.citations[button.dataset.at] === citation));
    }
  }

  gone() {
    this.#marks.clear();
  }

  #frame() {
    const part = (name, node) => (this.#parts[name] = node);
    const thoughts = part("thoughts", el("div", { class: "thoughts-text" }));
    return el(
      "article",
      { class: "turn" },
      el("h2", { class: "question", text: this.#answer.question }),
      part(
        "thinking",
        el("details", { class: "thoughts", hidden: true }, el("summary", { text: "Thinking" }), thoughts),
      ),
      part("progress", el("p", { class: "progress" })),
      part("text", el("div", { class: "markdown" })),
      part("end", el("div", { class: "end", hidden: true })),
      part("sources", el("div", { class: "sources" })),
      el(
        "footer",
        { class: "turn-footer" },
        part("actions", el("div", { class: "row actions" })),
        part("place", el("div", { class: "row place", hidden: true })),
        part("summary", el("p", { class: "summary" })),
      ),
    );
  }

  #soon() {
    if (this.#drawing) return;
    const draw = () => {
      this.#drawing = 0;
      this.#draw();
      this.#hooks.drawn(this);
    };
    // a hidden tab draws no frames
    this.#drawing = document.hidden ? setTimeout(draw, 100) : requestAnimationFrame(draw);
  }

  #draw() {
    const answer = this.#answer;
    const [over, broken] = [isOver(answer), Boolean(this.#run?.isBroken)];
    this.element.setAttribute("aria-busy", String(!over && !broken));
    this.element.dataset.outcome = answer.outcome ?? (broken ? "broken" : "running");
    this.#citations = new Citations(answer);
    this.#view.show(answer.text, (start, end) => this.#citations.stamp(start, end));
    this.#mark();
    const { thinking, thoughts, progress } = this.#parts;
    thinking.hidden = !answer.reasoning;
    if (thoughts.textContent !== answer.reasoning) thoughts.textContent = answer.reasoning;
    progress.hidden = over || broken;
    progress.textContent = progressOf(answer);
    this.#settle(over, broken);
  }

  #mark() {
    for (const name of ["partial", "unsupported"]) {
      const spans = this.#citations.spans().filter(({ verdict }) => verdict === name);
      this.#marks.set(
        name,
        spans.flatMap(({ start, end }) => this.#view.ranges(start, end)),
      );
    }
  }

  /** What is shown once an answer is over, or is not followed any more. */
  #settle(over, broken) {
    const isSettled = over || broken;
    if (isSettled === this.#isSettled) return;
    this.#isSettled = isSettled;
    const { end, summary, sources: place, actions: bar } = this.#parts;
    const said = isSettled && this.#end(broken);
    end.hidden = !said;
    end.replaceChildren(...(said ? said : []));
    summary.textContent = over ? summaryOf(this.#answer) : "";
    place.replaceChildren(
      ...(over ? sources(this.#answer, (passage, citation) => this.#hooks.cite(this, passage, citation)) : []),
    );
    bar.replaceChildren(...(over ? actions(this.#answer, { again: () => this.#hooks.again(this) }) : []));
  }

  #end(broken) {
    const { end } = this.#parts;
    const { kind, title, text } = broken
      ? { kind: "failed", title: "The connection is lost", text: "The answer may still be going on at the server." }
      : (endOf(this.#answer) ?? {});
    if (!title) return null;
    end.className = `end ${kind}`;
    const button = broken
      ? el("button", { type: "button", class: "button", text: "Connect again", onclick: () => this.#run.reconnect() })
      : kind === "failed" &&
        el("button", { type: "button", class: "button", text: "Try again", onclick: () => this.#hooks.again(this) });
    return [el("strong", { text: title }), text && el("span", { text }), button].filter(Boolean);
  }

  #marker(token) {
    const cited = this.#citations.at(token);
    return (
      cited &&
      el("span", { class: "cites" }, ...cited.map(({ n, citation }) => (citation ? this.#cite(citation) : `[${n}]`)))
    );
  }

  #cite(citation) {
    const passage = this.#answer.passages.find(({ n }) => n === citation.n);
    const label = `Source ${citation.n}: ${titleOf(passage ?? {})}, ${verdictOf(citation.verdict).word.toLowerCase()}`;
    const props = {
      type: "button",
      class: `cite ${citation.verdict}`,
      title: label,
      "aria-label": label,
      "aria-haspopup": "dialog",
      "aria-expanded": "false",
      "data-at": String(this.#answer.citations.indexOf(citation)),
      onclick: () => this.#hooks.cite(this, passage, citation),
    };
    return el("button", props, String(citation.n));
  }
}
