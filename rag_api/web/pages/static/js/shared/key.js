// The key of a server that wants one: asked for once, kept for this tab, or for this browser if so wished.

import { byId, el } from "./dom.js";

const NAME = "rag.key";
let asking = null;

export function givenKey() {
  return sessionStorage.getItem(NAME) ?? localStorage.getItem(NAME) ?? "";
}

export function forgetKey() {
  sessionStorage.removeItem(NAME);
  localStorage.removeItem(NAME);
}

/** Whether there is another key now than the one that was refused. Several requests wait for one dialog. */
export function askForKey(reason, refused) {
  if (givenKey() !== refused) return Promise.resolve(true); // given meanwhile
  asking ??= ask(refused, reason).finally(() => (asking = null));
  return asking;
}

function ask(refused, reason) {
  const input = el("input", { type: "password", id: "key", autocomplete: "off", required: true, spellcheck: "false" });
  const keep = el("input", { type: "checkbox", id: "keep-key" });
  const said = refused
    ? "The server does not take this key. It may have been changed or mistyped."
    : "This server answers only who has its key.";
  const form = el(
    "form",
    {},
    el("h2", { text: "Key", id: "key-title" }),
    el("p", { text: said, id: "key-said" }),
    el("p", {
      class: "quiet",
      text: `It is what RAG_ADMIN_KEY was set to when the server was started. The server said: ${reason}`,
    }),
    el("label", { for: "key", text: "Key" }),
    input,
    el("label", { class: "check", for: "keep-key" }, keep, "Keep it in this browser, also after this tab is closed"),
    el(
      "div",
      { class: "row end" },
      el("button", { type: "button", class: "button", text: "Not now", onclick: () => dialog.close() }),
      el("button", { class: "button primary", text: "Use this key" }),
    ),
  );
  const dialog = el("dialog", { "aria-labelledby": "key-title", "aria-describedby": "key-said" }, form);
  byId("dialogs").append(dialog);
  return new Promise((resolve) => {
    let given = false;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      forgetKey();
      (keep.checked ? localStorage : sessionStorage).setItem(NAME, input.value.trim());
      given = true;
      dialog.close();
    });
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(given);
    });
    dialog.showModal();
    input.focus();
  });
}
