// Keys: made, shown once, revoked.

import { call } from "../shared/api.js";
import { copy } from "../shared/clipboard.js";
import { confirmed } from "../shared/confirm.js";
import { byId, el, toast } from "../shared/dom.js";
import { givenKey, keepKey } from "../shared/key.js";
import { badge, button, empty, fill, select, table } from "./parts.js";
import { moment } from "./words.js";

const ROLES = {
  reader: "Reader: asks and searches",
  writer: "Writer: also uploads and deletes",
  admin: "Admin: may do everything, keys too",
};
const HEADS = ["Name", "Begins with", "Role", "Collections", "Groups", "Made", "Last used", "State", "Revoke"];
const AT_ONCE = 100;
const MOST = 1_000;

export class KeysView {
  title = "Keys";
  #place = el("div", { id: "keys" });
  #note = el("p", { class: "bad", role: "alert", hidden: true });
  #name = el("input", { autocomplete: "off", maxlength: "200" });
  #role = select("Role", ROLES, () => this.#limitsShown());
  #collections = el("input", { autocomplete: "off", spellcheck: "false", placeholder: "all" });
  #groups = el("input", { autocomplete: "off", spellcheck: "false", placeholder: "none" });
  #until = el("input", { type: "date" });
  #limits = [
    el("label", {}, "Collections, with commas", this.#collections),
    el("label", {}, "Groups, with commas", this.#groups),
  ];
  #limit = AT_ONCE;

  constructor() {
    this.element = el("section", { class: "view" }, this.#maker(), this.#place);
  }

  show() {
    this.#limit = AT_ONCE;
    this.#place.replaceChildren();
    return this.#load();
  }

  hide() {}

  #load() {
    return fill(
      this.#place,
      () => call(`/keys?limit=${this.#limit}`),
      (page) => this.#draw(page),
    );
  }

  #maker() {
    const form = el(
      "form",
      { class: "maker" },
      el("label", {}, "Who or what has it", this.#name),
      this.#role.element,
      ...this.#limits,
      el("label", {}, "Good until (if it ends)", this.#until),
      el("button", { class: "button primary", text: "Create a key" }),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#create(form);
    });
    const said =
      "A key without collections enters all. Of documents that name groups in their “acl”, it sees those that name " +
      "one of its groups. Admins see everything.";
    return el("div", { class: "door" }, form, el("p", { class: "quiet", text: said }), this.#note);
  }

  /** Admins are limited by nothing. */
  #limitsShown() {
    for (const field of this.#limits) field.hidden = this.#role.field.value === "admin";
  }

  async #create(form) {
    this.#note.hidden = true;
    const isLimited = this.#role.field.value !== "admin";
    const collections = isLimited ? words(this.#collections.value) : [];
    const body = {
      name: this.#name.value.trim(),
      role: this.#role.field.value,
      collections: collections.length ? collections : null,
      groups: isLimited ? words(this.#groups.value) : [],
      expires_at: this.#until.value ? new Date(`${this.#until.value}T23:59:59`).toISOString() : null,
    };
    try {
      const wasOpen = !givenKey();
      const made = await call("/keys", { method: "POST", body });
      if (wasOpen) keepKey(made.secret);
      form.reset();
      this.#limitsShown();
      await shown(made, wasOpen);
      this.#load();
    } catch (error) {
      this.#note.textContent = `Not created: ${error.message}`;
      this.#note.hidden = false;
    }
  }

  #draw({ items, next_cursor }) {
    if (!items.length) {
      if (givenKey()) return empty("No key has been created yet. You came in by the one of the server’s settings.");
      this.#role.field.value = "admin";
      this.#limitsShown();
      return empty(
        "There are no keys, so everybody on this machine may do everything. The first key must be an admin’s without " +
          "an end; from then on every request needs a key, and this page uses that one in this tab.",
      );
    }
    const rows = items.map((key) => [
      key.name || "–",
      el("code", { text: `${key.prefix}…` }),
      key.role,
      key.role === "admin" ? "all" : (key.collections?.join(", ") ?? "all"),
      key.role === "admin" ? "all" : key.groups.join(", ") || "none",
      moment(key.created_at),
      moment(key.last_used_at) || "never",
      stateOf(key),
      key.revoked
        ? ""
        : button("Revoke", () => this.#revoke(key), {
            class: "small-button danger",
            "aria-label": `Revoke ${key.name || key.prefix}`,
          }),
    ]);
    const more =
      next_cursor &&
      this.#limit < MOST &&
      button("Show more", () => ((this.#limit = Math.min(4 * this.#limit, MOST)), this.#load()));
    return [table("Keys", HEADS, rows, { class: "wide" }), more];
  }

  async #revoke(key) {
    const text = `“${key.name || key.prefix}” is refused from its next request on. That can’t be undone.`;
    if (!(await confirmed("Revoke this key?", text, "Revoke"))) return;
    try {
      await call(`/keys/${encodeURIComponent(key.key_id)}`, { method: "DELETE" });
      toast("The key is revoked.");
      this.#load();
    } catch (error) {
      toast(`Not revoked: ${error.message}`, "error");
    }
  }
}

function words(text) {
  return text
    .split(",")
    .map((word) => word.trim())
    .filter(Boolean);
}

function stateOf({ revoked, expires_at }) {
  if (revoked) return badge("cancelled", "Revoked");
  if (!expires_at) return badge("ok", "Good");
  return new Date(expires_at) <= new Date() ? badge("failed", "Ended") : badge("ok", `Until ${moment(expires_at)}`);
}

/** The secret, until the reader has put it away. */
function shown({ secret, name }, wasOpen) {
  const button = el("button", { type: "button", class: "button", text: "Copy" });
  button.addEventListener("click", async () => {
    try {
      await copy(secret);
      button.textContent = "Copied";
    } catch (error) {
      toast(`Not copied: ${error.message}`, "error");
    }
  });
  const form = el(
    "form",
    { method: "dialog" },
    el("h2", { id: "secret-title", text: name ? `The key for ${name}` : "The new key" }),
    el("p", { id: "secret-text", text: "It is shown this once, and kept nowhere. Put it where it will be used." }),
    el("code", { class: "secret", text: secret }),
    wasOpen &&
      el("p", {
        text: "The server is closed now: every request needs a key. This tab uses this one; others will ask for it.",
      }),
    el(
      "div",
      { class: "row end" },
      button,
      el("button", { class: "button primary", value: "done", text: "I have put it away" }),
    ),
  );
  const dialog = el("dialog", { "aria-labelledby": "secret-title", "aria-describedby": "secret-text" }, form);
  byId("dialogs").append(dialog);
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve();
    });
    dialog.showModal();
  });
}
