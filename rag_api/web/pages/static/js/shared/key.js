// The key of a server that wants one: asked for once, kept for this tab, or for this browser if so wished.

import { byId, el } from "./dom.js";

const NAME = "rag.key";
let asking = null;

export function givenKey() {
  return sessionStorage.getItem(NAME) ?? localStorage.getItem(NAME) ?? "";
}

/** For this tab, or for good. */
export function keepKey(key, isForGood = false) {
  forgetKey();
  (isForGood ? localStorage : sessionStorage).setItem(NAME, key);
}

export function forgetKey() {
  sessionStorage.removeItem(NAME);
  localStorage.removeItem(NAME);
}

/** Whether there is another key now than the one that was refused. Several requests wait for one dialog. */
export function askForKey(reason, refused) {
  if (givenKey() !== refused) return Promise.resolve(true); // given meanwhile
  const said = refused
    ? "The server does not take this key. It may have been revoked, have ended, or be mistyped."
    : "This server answers only who has its key.";
  asking ??= ask(said, reason).finally(() => (asking = null));
  return asking;
}

/** Whether there is another key now than the one that may not do what was asked. */
export function askForAnother(reason) {
  asking ??= ask("The key that this page uses may not do this.", reason).finally(() => (asking = null));
  return asking;
}

function ask(said, reason) {
  const input = el("input", { type: "password", id: "key", autocomplete: "off", required: true, spellcheck: "false" });
  const keep = el("input", { type: "checkbox", id: "keep-key" });
  const form = el(
    "form",
    {},
    el("h2", { text: "Key", id: "key-title" }),
    el("p", { text: said, id: "key-said" }),
    el("p", {
      class: "quiet",
      text: `Admins make keys on the admin page, or with rag keys create. The server said: ${reason}`,
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
      keepKey(input.value.trim(), keep.checked);
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
