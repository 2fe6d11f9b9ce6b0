// Whether the server has all it needs, said above the answers while it has not, and which model answers.

import { byId, el } from "../shared/dom.js";

const EVERY_MS = 10_000;
const MODEL = "language_model ";

export class Status {
  #banner = byId("banner");
  #model = byId("model");
  #timer = 0;

  /** Asks now, and again while something is missing. */
  async check() {
    clearTimeout(this.#timer);
    const { checks, isReady } = await readiness();
    const isWhole = this.#show(checks, isReady);
    if (!isWhole) this.#timer = setTimeout(() => this.check(), EVERY_MS);
  }

  /** Whether nothing is wrong. */
  #show(checks, isReady) {
    const models = Object.keys(checks).filter((name) => name.startsWith(MODEL));
    if (isReady) {
      const names = models.map((name) => name.slice(MODEL.length));
      this.#model.textContent = names.length ? names[0] : "quotations, no language model";
      byId("thinking-choice").hidden = !names.length;
    }
    const wrong = Object.entries(checks).filter(([, said]) => said !== "ok");
    this.#banner.hidden = wrong.length === 0;
    const word = isReady
      ? "Something is amiss, but answers come."
      : "The server is not ready; answers may fail or rest on less than all.";
    const items = wrong.map(([name, said]) => el("li", { text: `${name}: ${said}` }));
    if (wrong.length) this.#banner.replaceChildren(el("strong", { text: word }), el("ul", {}, ...items));
    return wrong.length === 0;
  }
}

async function readiness() {
  try {
    const response = await fetch("/readyz", { signal: AbortSignal.timeout(15_000) });
    const { checks } = await response.json();
    return { checks, isReady: response.ok };
  } catch {
    return { checks: { server: "it can't be reached" }, isReady: false };
  }
}
