// Work in the background: how far it is, why it failed, again or no more.

import { call } from "../shared/api.js";
import { announce, el, toast } from "../shared/dom.js";
import { badge, bar, button, empty, fill, reason, select, table } from "./parts.js";
import { isOver } from "./watch.js";
import { count, duration, moment, number, stageOf } from "./words.js";

const AT_ONCE = 50;
const MOST = 1_000;
const LOOK_MS = 1_500;
const STATES = {
  "": "All",
  queued: "Queued",
  running: "Running",
  done: "Done",
  failed: "Failed",
  cancelled: "Cancelled",
};
const KINDS = { ingest: "Ingest", reindex: "Reindex", purge: "Purge" };

export class JobsView {
  title = "Jobs";
  #state = select("Show", STATES, () => this.refresh());
  #place = el("div", { id: "jobs" });
  #timer = 0;
  #limit = AT_ONCE;

  constructor() {
    this.element = el(
      "section",
      { class: "view" },
      el(
        "div",
        { class: "row toolbar" },
        this.#state.element,
        button("Refresh", () => this.refresh()),
      ),
      this.#place,
    );
  }

  show() {
    this.#limit = AT_ONCE;
    this.#place.replaceChildren();
    return this.refresh();
  }

  hide() {
    clearTimeout(this.#timer);
  }

  refresh() {
    clearTimeout(this.#timer);
    const state = this.#state.field.value;
    return fill(
      this.#place,
      () => call(`/jobs?limit=${this.#limit}${state ? `&state=${state}` : ""}`),
      (page) => this.#draw(page),
    );
  }

  #draw({ items, next_cursor }) {
    if (items.some((job) => !isOver(job)))
      this.#timer = setTimeout(() => this.element.isConnected && this.refresh(), LOOK_MS);
    if (!items.length)
      return empty(this.#state.field.value ? "No job is in that state." : "No jobs yet. Each upload makes one.");
    const rows = items.map((job) => this.#row(job));
    const more =
      next_cursor &&
      this.#limit < MOST &&
      button("Show more", () => ((this.#limit = Math.min(4 * this.#limit, MOST)), this.refresh()));
    return [
      table("Jobs, newest first", ["Job", "State", "How far", "Tries", "Began", "Took", ""], rows, { class: "wide" }),
      more,
    ];
  }

  #row(job) {
    const { kind, source, state, stage, attempts, created_at, started_at, finished_at, error, failures } = job;
    const took = started_at && duration((finished_at ? Date.parse(finished_at) : Date.now()) - Date.parse(started_at));
    const lost =
      failures.length &&
      el(
        "details",
        {},
        el("summary", { text: `${count(failures.length, "part")} not taken in` }),
        el("ul", {}, ...failures.map((one) => el("li", { text: `${one.source}: ${one.error.message}` }))),
      );
    return [
      [
        el("span", { class: "quiet", text: `${KINDS[kind] ?? kind} ` }),
        el("span", { class: "job-source", text: source }),
        error && reason(error),
        lost,
      ].filter(Boolean),
      [badge(state), state === "running" && el("p", { class: "quiet", text: stageOf(stage) })].filter(Boolean),
      howFar(job),
      number(attempts),
      moment(started_at ?? created_at),
      took ?? "",
      this.#action(job),
    ];
  }

  #action(job) {
    if (!isOver(job))
      return button("Cancel", () => this.#ask(job, "cancel"), { "aria-label": `Cancel the job of ${job.source}` });
    if (job.state === "done") return "";
    return button("Try again", () => this.#ask(job, "retry"), { "aria-label": `Try the job of ${job.source} again` });
  }

  async #ask(job, what) {
    try {
      await call(`/jobs/${encodeURIComponent(job.job_id)}/${what}`, { method: "POST" });
      announce(what === "cancel" ? "Cancelled" : "Queued again");
    } catch (error) {
      toast(error.message, "error");
    }
    this.refresh();
  }
}

function howFar({ state, chunks_done, chunks_total, documents_done, documents_total, source }) {
  const chunks = chunks_total ? `${number(chunks_done)} of ${count(chunks_total, "chunk")}` : "";
  const documents = documents_total > 1 ? `${number(documents_done)} of ${count(documents_total, "document")}` : "";
  const said = [documents, chunks].filter(Boolean).join(", ");
  return [
    state === "running" && bar(chunks_done, chunks_total, `${source}: how far`),
    said && el("p", { class: "quiet", text: said }),
  ].filter(Boolean);
}
