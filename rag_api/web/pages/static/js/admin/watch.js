// Jobs that somebody waits for, asked for all together.

import { all, call } from "../shared/api.js";

const FEW = 10;
const FEW_MS = 400;
const MANY_MS = 1_500;
const FINAL = ["done", "failed", "cancelled"];

export function isOver(job) {
  return FINAL.includes(job.state);
}

class Watch {
  #watched = new Map();
  #timer = 0;

  /** `told(job)` hears of the job now and then until it is over; `told(null, error)` when it can't be asked for. */
  add(job_id, told) {
    this.#watched.set(job_id, told);
    this.#timer ||= setTimeout(() => this.#look(), FEW_MS / 2);
  }

  async #look() {
    const ids = [...this.#watched.keys()];
    try {
      for (const job of ids.length <= FEW ? await asked(ids) : await listed(ids)) this.#tell(job);
    } catch (error) {
      if (error.status === 404 || error.status === 401) {
        for (const told of this.#watched.values()) told(null, error);
        this.#watched.clear();
      } // else the server may be back in a moment
    }
    const wait_ms = this.#watched.size <= FEW ? FEW_MS : MANY_MS;
    this.#timer = this.#watched.size ? setTimeout(() => this.#look(), wait_ms) : 0;
  }

  #tell(job) {
    const told = this.#watched.get(job.job_id);
    if (isOver(job)) this.#watched.delete(job.job_id);
    told?.(job);
  }
}

function asked(ids) {
  return Promise.all(ids.map((id) => call(`/jobs/${encodeURIComponent(id)}`)));
}

/** From the list, which has the newest first; the oldest by themselves, should others have come in between. */
async function listed(ids) {
  const wanted = new Set(ids);
  const found = (await all("/jobs", ids.length + 200)).filter((job) => wanted.delete(job.job_id));
  return [...found, ...(await asked([...wanted].slice(0, FEW)))];
}

export const jobs = new Watch();
