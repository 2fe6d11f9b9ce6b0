// What the events of an answer fold to, as the server folds them itself.

import { Points, units } from "../shared/points.js";

/** An answer before its first event. */
export function begun(question, collection) {
  return {
    answer_id: "",
    conversation_id: null,
    parent_id: null,
    question,
    collection,
    model: "",
    text: "",
    reasoning: "",
    outcome: null,
    finish_reason: null,
    citations: [],
    passages: [],
    usage: null,
    timings_ms: {},
    grounding: {},
    gate: null,
    cached: false,
    error: null,
  };
}

/** One more event; whether it was the last. */
export function take(answer, { name, data }) {
  switch (name) {
    case "started":
    case "retrieved":
      Object.assign(answer, data);
      return false;
    case "text":
      answer.text += data.text;
      return false;
    case "reasoning":
      answer.reasoning += data.text;
      return false;
    case "citation":
      answer.citations.push(data);
      return false;
    case "reset":
      answer.text = answer.text.slice(0, units(answer.text, data.offset));
      answer.citations = answer.citations.filter((citation) => citation.answer_end <= data.offset);
      if (!data.offset) answer.reasoning = "";
      return false;
    case "done":
      Object.assign(answer, data, { model: data.model ?? answer.model });
      return true;
    case "failed":
      fail(answer, data.error);
      return true;
    default:
      return false; // of a newer server
  }
}

export function fail(answer, { code, message }) {
  Object.assign(answer, { outcome: "failed", error: { code, message } });
}

export function isOver(answer) {
  return answer.outcome !== null;
}

const BETWEEN = /^(?:\s|\[[\d,; ]{1,20}\])*$/;

/** Finds the citations that a marker in the answer's text stands for. */
export class Citations {
  #text;
  #found;

  constructor({ text, citations }) {
    const points = new Points(text);
    this.#text = text;
    this.#found = citations.map((citation) => ({
      citation,
      start: points.units(citation.answer_start),
      end: points.units(citation.answer_end),
    }));
  }

  /** Each of a marker's numbers with its citation, if it has one; null when none has. */
  at(token) {
    const numbers = token.text.match(/\d+/g).map(Number);
    const cited = numbers.map((n) => ({ n, ...this.#of(n, token.at) }));
    return cited.some(({ citation }) => citation) ? cited : null;
  }

  /** What a block between two offsets shows of them, as text to compare. */
  stamp(start, end) {
    const inside = this.#found.filter((one) => one.end > start && one.end <= end);
    return inside.map(({ citation, end: at }) => `${citation.n}@${at}${citation.verdict}`).join();
  }

  /** The cited parts of the text: `{start, end, verdict}`. */
  spans() {
    return this.#found.map(({ citation, start, end }) => ({ citation, start, end, verdict: citation.verdict }));
  }

  #of(n, at) {
    return this.#found.findLast(
      (one) => one.citation.n === n && one.end <= at && BETWEEN.test(this.#text.slice(one.end, at)),
    );
  }
}
