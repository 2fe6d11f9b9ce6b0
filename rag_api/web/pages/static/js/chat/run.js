// An answer that is being given: asked for, followed, taken up again where the connection broke, stopped.

import { ApiError, call, request, API } from "../shared/api.js";
import { events } from "../shared/sse.js";
import { begun, fail, isOver, take } from "./answer.js";

const PAUSES_MS = [300, 1_000, 2_000, 4_000, 8_000, 8_000, 8_000];
const STREAM = { Accept: "text/event-stream" };
const running = new Map(); // by answer_id: those that this page follows

export class Run {
  #lastId = "";
  #listeners = new Set();
  #isStopping = false;

  constructor(answer) {
    this.answer = answer;
    this.isBroken = false; // the connection is lost, and the answer may still go on
  }

  /** A new answer. `again` names the one to give anew. */
  static ask({ question, collection, conversation_id, again, reasoning, model }) {
    const run = new Run(begun(question, collection));
    const body = { question, collection, conversation_id: conversation_id ?? "new", reasoning, model };
    const headers = again ? { ...STREAM, "Cache-Control": "no-store" } : STREAM;
    run.#see(() => request(`${API}/answers`, { method: "POST", body: again ? { ...body, again } : body, headers }));
    return run;
  }

  /** One that began elsewhere, or on this page before it was loaded anew. */
  static follow(answer) {
    const known = running.get(answer.answer_id);
    if (known) return known;
    const run = new Run(Object.assign(begun(answer.question, answer.collection), { answer_id: answer.answer_id }));
    running.set(answer.answer_id, run);
    run.#see(() => run.#resume());
    return run;
  }

  static of(answer_id) {
    return running.get(answer_id);
  }

  get isOver() {
    return isOver(this.answer);
  }

  /** Called after each event with it; gives what ends that. */
  listen(listener) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async stop() {
    this.#isStopping = true;
    if (this.answer.answer_id && !this.isOver)
      await call(`/answers/${this.answer.answer_id}/cancel`, { method: "POST" });
  }

  /** Once more, when the connection was given up. */
  reconnect() {
    this.isBroken = false;
    running.set(this.answer.answer_id, this);
    this.#tell("reconnecting");
    this.#see(() => this.#resume());
  }

  async #see(open) {
    try {
      await this.#follow(open);
    } catch (error) {
      const isLost = !(error instanceof ApiError) || error.status === 0 || error.status >= 502;
      if (isLost && this.answer.answer_id) this.isBroken = true;
      else fail(this.answer, { code: error.code ?? "page_error", message: error.message });
    }
    running.delete(this.answer.answer_id);
    if (this.isBroken) this.#tell("broken");
    else this.#tell("over");
  }

  /** Until the last event. A stream that breaks off is resumed, patiently, behind the last event that came. */
  async #follow(open) {
    let response = await open();
    for (let misses = 0; ; misses++) {
      try {
        response ??= await this.#resume();
        for await (const event of events(response)) {
          misses = 0;
          if (this.#take(event)) return;
        }
      } catch (error) {
        const isFinal = error instanceof ApiError && error.status > 0 && error.status < 500;
        if (isFinal || misses >= PAUSES_MS.length) throw error;
      }
      if (misses >= PAUSES_MS.length || !this.answer.answer_id) {
        throw new ApiError(0, "connection_lost", "The connection to the server broke off.");
      }
      response = null;
      await new Promise((resolve) => setTimeout(resolve, PAUSES_MS[misses]));
    }
  }

  async #resume() {
    const after = this.#lastId ? { ...STREAM, "Last-Event-ID": this.#lastId } : STREAM;
    const response = await request(`${API}/answers/${this.answer.answer_id}/events`, { headers: after });
    if (response.status !== 204) return response;
    throw new ApiError(410, "content_gone", "The answer is over, and its end was not kept.");
  }

  #take({ name, id, data }) {
    const event = { name, data: JSON.parse(data) };
    const isLast = take(this.answer, event);
    this.#lastId = id;
    if (name === "started") {
      running.set(this.answer.answer_id, this);
      if (this.#isStopping) this.stop().catch(() => {}); // the stream itself tells what becomes of it
    }
    if (!isLast) this.#tell(name);
    return isLast;
  }

  #tell(name) {
    for (const listener of [...this.#listeners]) listener(name, this);
  }
}
