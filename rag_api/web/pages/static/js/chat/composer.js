// Where questions are written.

import { byId, el, icon } from "../shared/dom.js";
import { modelOf } from "./words.js";

const COLLECTION = "rag.collection";
const MODEL = "rag.model";
const THINKING = "rag.thinking";

export class Composer {
  #form = byId("composer");
  #input = byId("question");
  #button = byId("send");
  #collections = byId("collection");
  #models = byId("models");
  #thinking = byId("thinking");
  #hooks;
  #isRunning = null;
  #wanted = null;

  /** Hooks: `ask(question)`, `stop()`, `chosen(collection)`. */
  constructor(hooks) {
    this.#hooks = hooks;
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.#input.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      if (!this.#isRunning) this.#submit();
    });
    this.#input.addEventListener("input", () => this.#fit());
    this.#thinking.checked = localStorage.getItem(THINKING) === "yes";
    this.#thinking.addEventListener("change", () =>
      localStorage.setItem(THINKING, this.#thinking.checked ? "yes" : "no"),
    );
    this.#collections.addEventListener("change", () => {
      localStorage.setItem(COLLECTION, this.#collections.value);
      this.#hooks.chosen(this.#collections.value);
    });
    this.#models.addEventListener("change", () => localStorage.setItem(MODEL, this.#models.value));
    this.running(false);
  }

  get collection() {
    return this.#collections.value || this.#wanted || localStorage.getItem(COLLECTION) || "default";
  }

  /** The model that is to answer, or undefined where there is nothing to choose. */
  get model() {
    return this.#models.value || undefined;
  }

  get reasoning() {
    return this.#thinking.checked;
  }

  /** The collections that there are; that of the conversation is chosen, or the one used last. */
  offer(names) {
    this.#collections.replaceChildren(...names.map((name) => el("option", { value: name, text: name })));
    const chosen = [this.#wanted, localStorage.getItem(COLLECTION), "default"].find((name) => names.includes(name));
    if (chosen) this.#collections.value = chosen;
  }

  /** Models that a question may name: `{name, kind, default}`. The one chosen last is chosen, or the default. */
  offerModels(models) {
    byId("model-choice").hidden = models.length < 2;
    byId("model-name").hidden = models.length > 1;
    if (models.length < 2) return;
    const options = models.map(({ name, kind }) => el("option", { value: name, text: modelOf(name, kind) }));
    this.#models.replaceChildren(...options);
    const kept = models.find(({ name }) => name === localStorage.getItem(MODEL));
    this.#models.value = (kept ?? models.find((model) => model.default)).name;
  }

  choose(name) {
    this.#wanted = name;
    if ([...this.#collections.options].some((option) => option.value === name)) this.#collections.value = name;
  }

  /** While an answer is given, the button stops it. */
  running(isRunning) {
    if (isRunning === this.#isRunning) return;
    this.#isRunning = isRunning;
    const label = isRunning ? "Stop the answer" : "Ask";
    this.#button.replaceChildren(icon(isRunning ? "stop" : "send"));
    this.#button.title = label;
    this.#button.setAttribute("aria-label", label);
  }

  /** What could not be asked after all. */
  giveBack(question) {
    this.#input.value ||= question;
    this.#fit();
  }

  note(text) {
    byId("composer-note").textContent = text;
  }

  focus() {
    this.#input.focus();
  }

  #submit() {
    if (this.#isRunning) {
      this.#hooks.stop();
      return;
    }
    const question = this.#input.value.trim();
    if (!question) return;
    this.#input.value = "";
    this.#fit();
    this.#hooks.ask(question);
  }

  /** As high as what is written, up to a limit that the style sheet sets. */
  #fit() {
    this.#input.style.height = "auto";
    this.#input.style.height = `${this.#input.scrollHeight + 2}px`;
  }
}
