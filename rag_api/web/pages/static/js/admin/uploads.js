// Files on their way: each with how far it is, why it failed, and what can be done.

import { call } from "../shared/api.js";
import { announce, el, toast } from "../shared/dom.js";
import { badge, bar, button, reason } from "./parts.js";
import { send } from "./send.js";
import { jobs } from "./watch.js";
import { bytes, count, stageOf } from "./words.js";

const FILES_AT_ONCE = 20;
const BYTES_AT_ONCE = 32_000_000;
const SETTLED = ["done", "failed", "cancelled", "unchanged", "rejected"];

/** One file. Its states: waiting, sending, those of jobs, unchanged, rejected. */
class Item {
  #note = el("span", { class: "quiet" });
  #badge = el("span", {});
  #far = el("div", { class: "upload-far" });
  #why = el("div", { class: "upload-why" });
  #actions = el("div", { class: "row" });
  #drawn = {}; // what is shown, so that nothing is taken from under a reader's finger without need

  constructor({ file, path }, collection) {
    Object.assign(this, { file, path, collection, state: "waiting", share: 0, job: null, error: null });
    const head = el(
      "p",
      { class: "upload-head" },
      el("span", { class: "upload-name", text: path }),
      this.#note,
      this.#badge,
    );
    this.element = el("li", { class: "upload" }, head, this.#far, this.#why, this.#actions);
    this.draw();
  }

  set(values) {
    Object.assign(this, values);
    this.draw();
  }

  take(job, error) {
    if (job) this.set({ job, state: job.state, error: job.error });
    else this.set({ state: "failed", error });
  }

  draw() {
    this.#note.textContent = this.#said();
    this.#far.replaceChildren(...[this.#bar()].filter(Boolean));
    const shows = { state: this.state, can: this.#can() };
    if (shows.state !== this.#drawn.state) {
      this.#badge.replaceChildren(badge(this.state));
      const parts = SETTLED.includes(this.state) ? [this.error && reason(this.error), this.#failures()] : [];
      this.#why.replaceChildren(...parts.filter(Boolean));
    }
    if (shows.can !== this.#drawn.can) this.#actions.replaceChildren(...[this.#action(shows.can)].filter(Boolean));
    this.#drawn = shows;
    this.element.dataset.state = this.state;
  }

  #said() {
    const { job } = this;
    if (this.state === "sending") return `${Math.round(100 * this.share)} % of ${bytes(this.file.size)}`;
    if (this.state === "queued" && job?.attempts) return "will be tried again";
    if (this.state === "running") {
      const chunks = job.chunks_total
        ? `, ${count(job.chunks_done, "chunk")} of ${job.chunks_total.toLocaleString("en-GB")}`
        : "";
      return stageOf(job.stage) + chunks;
    }
    if (this.state === "done") {
      const documents = job.document_id ? "" : `${count(job.documents_done, "document")}, `;
      return documents + count(job.chunks_done, "chunk");
    }
    return this.file ? bytes(this.file.size) : "";
  }

  #bar() {
    if (this.state === "sending") return bar(this.share, 1, `${this.path}: sent`);
    if (this.state === "queued") return bar(0, 0, `${this.path}: queued`);
    if (this.state === "running") return bar(this.job.chunks_done, this.job.chunks_total, `${this.path}: taken in`);
    return null;
  }

  #failures() {
    const failures = this.job?.failures ?? [];
    if (!failures.length) return null;
    const rows = failures.map(({ source, error }) => el("li", { text: `${source}: ${error.message}` }));
    return el(
      "details",
      {},
      el("summary", { text: `${count(failures.length, "part")} not taken in` }),
      el("ul", {}, ...rows),
    );
  }

  #can() {
    if (["queued", "running"].includes(this.state)) return "cancel";
    return this.job && ["failed", "cancelled"].includes(this.state) ? "retry" : "";
  }

  #action(what) {
    if (!what) return null;
    const [text, label] =
      what === "cancel" ? ["Cancel", `Cancel ${this.path}`] : ["Try again", `Try ${this.path} again`];
    return button(text, () => this.#ask(what), { "aria-label": label });
  }

  async #ask(what) {
    try {
      this.take(await call(`/jobs/${this.job.job_id}/${what}`, { method: "POST" }));
      this.follow();
    } catch (error) {
      toast(error.message, "error");
    }
  }

  follow() {
    jobs.add(this.job.job_id, (job, error) => {
      this.take(job, error);
      if (SETTLED.includes(this.state)) this.onsettled?.(this);
    });
  }
}

export class Uploads {
  #list = el("ul", { class: "uploads" });
  #summary = el("p", { class: "quiet", role: "status" });
  #clear = button("Clear the list", () => this.#forget());
  #items = [];
  #waiting = [];
  #isSending = false;
  #changed;

  /** `changed()` is called when a document has come in or failed. */
  constructor(changed) {
    this.#changed = changed;
    this.element = el(
      "section",
      { class: "uploads-box", hidden: true, "aria-label": "Uploads" },
      el("div", { class: "row" }, this.#summary, this.#clear),
      this.#list,
    );
  }

  /** Files `{file, path}` into a collection. */
  add(collection, files) {
    if (!files.length) return toast("There is no file in that.", "error");
    const items = files.map((file) => this.#item(file, collection));
    this.#waiting.push(...items);
    if (!this.#isSending) this.#send();
  }

  /** What is fetched from the web by the server. */
  async fetch(collection, url) {
    const item = this.#item({ file: null, path: url }, collection);
    item.set({ state: "waiting" });
    try {
      const path = `/collections/${encodeURIComponent(collection)}/documents`;
      const { documents } = await call(path, { method: "POST", body: { url }, wait_ms: 120_000 });
      this.#take(item, documents[0]);
    } catch (error) {
      this.#take(item, { status: "rejected", error });
    }
  }

  #item(file, collection) {
    const item = new Item(file, collection);
    item.onsettled = (settled) => this.#settled(settled);
    this.#items.push(item);
    this.#list.append(item.element);
    this.element.hidden = false;
    this.#tell();
    return item;
  }

  async #send() {
    this.#isSending = true;
    while (this.#waiting.length) {
      const some = this.#group();
      const told = (share) => some.forEach((item) => item.set({ state: "sending", share }));
      told(0);
      try {
        const rows = await send(some[0].collection, some, told);
        some.forEach((item, i) => this.#take(item, rows[i]));
      } catch (error) {
        some.forEach((item) => this.#take(item, { status: "rejected", error }));
      }
    }
    this.#isSending = false;
  }

  /** The next files that go together: of one collection, and not too much at once. */
  #group() {
    let size = 0;
    const { collection } = this.#waiting[0];
    const fits = (item, i) => i === 0 || (i < FILES_AT_ONCE && item.collection === collection && size <= BYTES_AT_ONCE);
    let end = 0;
    while (end < this.#waiting.length) {
      size += this.#waiting[end].file.size;
      if (!fits(this.#waiting[end], end)) break;
      end++;
    }
    return this.#waiting.splice(0, end);
  }

  #take(item, { status, job_id, error }) {
    item.set({
      state: status,
      error: error ?? null,
      job: job_id ? { job_id, failures: [], stage: "queued", chunks_total: 0, chunks_done: 0 } : null,
    });
    if (job_id) item.follow();
    else this.#settled(item);
    this.#tell();
  }

  #settled(item) {
    const said =
      { done: "is ready", unchanged: "is there already" }[item.state] ??
      `was not taken in: ${item.error?.message ?? item.state}`;
    announce(`${item.path} ${said}`);
    this.#tell();
    this.#changed();
  }

  #tell() {
    const of = (...states) => this.#items.filter((item) => states.includes(item.state)).length;
    const bad = of("failed", "rejected", "cancelled");
    this.#summary.textContent = `${of("done", "unchanged")} of ${count(this.#items.length, "file")} taken in${bad ? `, ${bad} not` : ""}`;
    this.#clear.hidden = of(...SETTLED) < this.#items.length;
  }

  #forget() {
    this.#items = [];
    this.#list.replaceChildren();
    this.element.hidden = true;
  }
}
