// Where questions are written.

import { byId, icon } from "../shared/dom.js";

const COLLECTION = "rag.collection";
const THINKING = "rag.thinking";

export class Composer {
  #form = byId("composer");
  #input = byId("question");
  #button = byId("send");
  #collections = byId("collection");
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
    this.running(false);
  }

  get collection() {
    return this.#collections.value || this.#wanted || localStorage.getItem(COLLECTION) || "default";
  }

  get reasoning() {
    return this.#thinking.checked;
  }

  /** The collections that there are; that of the conversation is chosen, or the one used last. */
  offer(names) {
    const options = names.map((name) => {
      const option = document.createElement("option");
      option.textContent = option.value = name;
      return option;
    });
    this.#collections.replaceChildren(...options);
    const chosen = [this.#wanted, localStorage.getItem(COLLECTION), "default"].find((name) => names.includes(name));
    if (chosen) this.#collections.value = chosen;
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
