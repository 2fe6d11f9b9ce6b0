// What people think of answers, with what was answered.

import { API, call, request } from "../shared/api.js";
import { el, icon, toast } from "../shared/dom.js";
import { button, empty, fill, select } from "./parts.js";
import { count, moment } from "./words.js";

const AT_ONCE = 50;
const MOST = 1_000;
const RATINGS = { "": "All", good: "Good", bad: "Bad" };
const VALUES = { good: 1, bad: -1 };
const VERDICTS = { supported: "supported", partial: "partly supported", unsupported: "not supported" };

export class FeedbackView {
  title = "Feedback";
  #rating = select("Show", RATINGS, () => this.#load());
  #place = el("div", { id: "feedback" });
  #limit = AT_ONCE;

  constructor() {
    const keep = button("Save as questions for rag eval", () => this.#save(), {
      title: "Of good answers, unless bad ones are shown",
    });
    this.element = el(
      "section",
      { class: "view" },
      el("div", { class: "row toolbar" }, this.#rating.element, keep),
      this.#place,
    );
  }

  show() {
    this.#limit = AT_ONCE;
    this.#place.replaceChildren();
    return this.#load();
  }

  hide() {}

  #query() {
    const value = VALUES[this.#rating.field.value];
    return value ? `&rating=${value}` : "";
  }

  #load() {
    return fill(
      this.#place,
      () => call(`/feedback?limit=${this.#limit}${this.#query()}`),
      ({ items, next_cursor }) => {
        if (!items.length)
          return empty("Nobody has rated an answer yet. The chat page has a thumb up and a thumb down under each.");
        const more =
          next_cursor &&
          this.#limit < MOST &&
          button("Show more", () => ((this.#limit = Math.min(4 * this.#limit, MOST)), this.#load()));
        return [el("ul", { class: "cards" }, ...items.map(card)), more];
      },
    );
  }

  /** Links carry no key, so the lines are fetched and handed over. */
  async #save() {
    try {
      const response = await request(`${API}/feedback/questions?${this.#query().slice(1)}`);
      const url = URL.createObjectURL(await response.blob());
      Object.assign(document.createElement("a"), { href: url, download: "questions.jsonl" }).click();
      setTimeout(() => URL.revokeObjectURL(url), 60_000);
    } catch (error) {
      toast(`Not saved: ${error.message}`, "error");
    }
  }
}

function card({ rating, comment, created_at, answer }) {
  const verdicts = Object.entries(VERDICTS).map(([name, word]) => [
    answer.citations.filter(({ verdict }) => verdict === name).length,
    word,
  ]);
  const cited = verdicts
    .filter(([many]) => many)
    .map(([many, word]) => `${many} ${word}`)
    .join(", ");
  const said = [
    moment(created_at),
    answer.collection,
    cited && `citations: ${cited}`,
    !cited && count(answer.passages.length, "passage"),
  ].filter(Boolean);
  const word = rating > 0 ? "A good answer" : "A bad answer";
  return el(
    "li",
    { class: "card" },
    el("p", { class: `rating ${rating > 0 ? "good" : "bad"}` }, icon(rating > 0 ? "up" : "down"), ` ${word}`),
    comment && el("blockquote", { class: "comment", text: comment }),
    el("h2", { class: "asked", text: answer.question }),
    el("p", { class: "answered", text: answer.text || "There was no text." }),
    el("p", { class: "quiet", text: said.join(" · ") }),
    answer.conversation_id &&
      el("p", {}, el("a", { href: `/?c=${encodeURIComponent(answer.conversation_id)}`, text: "The conversation" })),
  );
}
