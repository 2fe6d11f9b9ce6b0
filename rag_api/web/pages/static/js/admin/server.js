// How the server is, what it holds, and what answers and searches took.

import { call, request } from "../shared/api.js";
import { confirmed } from "../shared/confirm.js";
import { el, toast } from "../shared/dom.js";
import { drawStats } from "./holdings.js";
import { histogram, routes, samples } from "./metrics.js";
import { badge, bar, button, empty, facts, failure, fill, reason, select, table } from "./parts.js";
import { bars, lines } from "./plots.js";
import { isOver, jobs } from "./watch.js";
import { count, duration, number, stageOf } from "./words.js";

const SPANS = { 7: "7 days", 30: "30 days", 90: "90 days", 365: "a year" };
const OUTCOMES = { answered: "answered", no_answer: "no answer", cancelled: "stopped", failed: "failed" };

export class ServerView {
  title = "Server";
  #state = el("div", { id: "state" });
  #holdings = el("div", { id: "holdings" });
  #usage = el("div", { id: "usage" });
  #metrics = el("div", { id: "metrics" });
  #purge = el("div", { class: "progress-place" });
  #span = select("Of the last", SPANS, () => this.#loadUsage());

  constructor() {
    this.#span.field.value = "30";
    const part = (title, ...nodes) => el("section", { class: "part" }, el("h2", { text: title }), ...nodes);
    this.element = el(
      "section",
      { class: "view" },
      el(
        "div",
        { class: "row toolbar" },
        button("Refresh", () => this.show()),
      ),
      part("State", this.#state),
      part(
        "What it holds",
        this.#holdings,
        el(
          "div",
          { class: "row" },
          button("Take what is deleted out of all files", () => this.#start()),
        ),
        this.#purge,
      ),
      part("Answers", el("div", { class: "row toolbar" }, this.#span.element), this.#usage),
      part("Requests since the server was started", this.#metrics),
    );
  }

  show() {
    fill(this.#state, readiness, drawReadiness);
    fill(this.#holdings, () => call("/stats"), drawStats);
    fill(this.#metrics, async () => samples(await (await request("/metrics")).text()), drawMetrics);
    this.#loadUsage();
  }

  hide() {}

  #loadUsage() {
    const days = Number(this.#span.field.value);
    return fill(
      this.#usage,
      () => call(`/usage?days=${days}`),
      (report) => drawUsage(report, days),
    );
  }

  async #start() {
    const said =
      "Files of the index are written anew without it; searches go on meanwhile, by words alone for a while.";
    if (!(await confirmed("Purge everything deleted?", said, "Purge"))) return;
    try {
      const { job_id } = await call("/purge", { method: "POST" });
      jobs.add(job_id, (job, error) => this.#tell(job, error));
    } catch (error) {
      toast(`Not purged: ${error.message}`, "error");
    }
  }

  #tell(job, error) {
    if (error) this.#purge.replaceChildren(failure(error));
    else if (job.error) this.#purge.replaceChildren(reason(job.error));
    else if (isOver(job))
      this.#purge.replaceChildren(
        el("p", {
          class: "good",
          role: "status",
          text: job.state === "done" ? "What was deleted is in no file any more." : "Cancelled.",
        }),
      );
    else
      this.#purge.replaceChildren(
        el("p", { class: "quiet", text: `Purging: ${stageOf(job.stage)}` }),
        bar(0, 0, "Purging"),
      );
  }
}

async function readiness() {
  const response = await fetch("/readyz", { signal: AbortSignal.timeout(15_000) });
  return { ...(await response.json()), isReady: response.ok };
}

function drawReadiness({ checks, isReady }) {
  const rows = Object.entries(checks).map(([name, said]) => [
    name,
    badge(said === "ok" ? "ok" : "failed", said === "ok" ? "well" : "not well"),
    said === "ok" ? "" : said,
  ]);
  return [
    el("p", {
      text: isReady ? "The server is ready." : "The server is not ready; answers may fail or rest on less than all.",
    }),
    table("Parts of the server", ["Part", "State", "What is wrong"], rows),
  ];
}

function drawUsage({ since, total, days }, span) {
  if (!total) return empty("No answers in that time. Ask something on the chat page.");
  const byDay = new Map(days.map((day) => [day.day, day]));
  const all = Array.from({ length: span }, (_, i) =>
    new Date(Date.parse(since) + i * 86_400_000).toISOString().slice(0, 10),
  );
  const labels = all.map(
    (day) => `${Number(day.slice(8))} ${new Date(day).toLocaleString("en-GB", { month: "short", timeZone: "UTC" })}`,
  );
  const of = (pick, none = 0) => all.map((day) => (byDay.has(day) ? (pick(byDay.get(day)) ?? none) : none));
  const whole = (value) => (Number.isInteger(value) ? number(value) : "");
  const took = total.total_ms && `${duration(total.total_ms.p50)}, 95 % within ${duration(total.total_ms.p95)}`;
  const first =
    total.first_text_ms && `${duration(total.first_text_ms.p50)}, 95 % within ${duration(total.first_text_ms.p95)}`;
  const tokens = total.prompt_tokens + total.completion_tokens;
  const told = facts(
    [
      ["Answers", number(total.answers)],
      ...Object.entries(OUTCOMES).map(([key, word]) => [
        word[0].toUpperCase() + word.slice(1),
        total.outcomes[key] && number(total.outcomes[key]),
      ]),
      ["From the cache", total.cached && number(total.cached)],
      ["First words after", first],
      ["Whole after", took],
      ["Tokens", tokens && `${number(total.prompt_tokens)} read, ${number(total.completion_tokens)} written`],
      ["Cost", total.cost && total.cost.toPrecision(3)],
    ].map(([name, value]) => [name, value || null]),
  );
  const layers = Object.entries(OUTCOMES).map(([key, name]) => ({
    name,
    kind: key.replace("_", "-"),
    values: of((day) => day.outcomes[key]),
  }));
  const times = (key) =>
    [
      ["half within", "p50", "answered"],
      ["95 % within", "p95", "no-answer"],
    ].map(([name, share, kind]) => ({ name, kind, values: of((day) => day[key]?.[share], null) }));
  return [
    told,
    el(
      "div",
      { class: "plots" },
      bars("Answers a day", labels, layers, whole),
      lines("Time to the first words", labels, times("first_text_ms"), duration),
      lines("Time to the whole answer", labels, times("total_ms"), duration),
      tokens
        ? bars(
            "Tokens a day",
            labels,
            [
              { name: "read", kind: "answered", values: of((day) => day.prompt_tokens) },
              { name: "written", kind: "no-answer", values: of((day) => day.completion_tokens) },
            ],
            whole,
          )
        : "",
    ),
    el(
      "details",
      {},
      el("summary", { text: "As a table" }),
      table(
        "Answers by day",
        ["Day (UTC)", "Answers", "No answer", "Failed", "Half within", "95 % within", "Tokens"],
        days.map((day) => [
          day.day,
          number(day.answers),
          number(day.outcomes.no_answer),
          number(day.outcomes.failed),
          day.total_ms ? duration(day.total_ms.p50) : "–",
          day.total_ms ? duration(day.total_ms.p95) : "–",
          number(day.prompt_tokens + day.completion_tokens),
        ]),
      ),
    ),
  ];
}

function drawMetrics(found) {
  const searches = histogram(found, "rag_search_seconds");
  const done = searches.reduce((sum, one) => sum + one.count, 0);
  const labels = searches.map(({ le }) => (le === Infinity ? "more" : `≤ ${duration(1000 * le)}`));
  const plot = done
    ? bars(
        `How long ${count(done, "search", "searches")} took`,
        labels,
        [{ name: "searches", kind: "answered", values: searches.map((one) => one.count) }],
        (value) => (Number.isInteger(value) ? number(value) : ""),
      )
    : empty("No search yet.");
  const rows = routes(found).map(({ route, requests, refused, failed, seconds, timed }) => [
    el("code", { text: route }),
    number(requests),
    number(refused),
    number(failed),
    timed ? duration((1000 * seconds) / timed) : "–",
  ]);
  return [
    el("div", { class: "plots" }, plot),
    table(
      "Requests by route",
      ["Route", "Requests", "Refused (4xx)", "Failed (5xx)", "Response began after, on average"],
      rows,
    ),
  ];
}
