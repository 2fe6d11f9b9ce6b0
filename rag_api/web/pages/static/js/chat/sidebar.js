// The conversations: listed, opened, named anew, deleted.

import { call } from "../shared/api.js";
import { byId, el, iconButton, toast } from "../shared/dom.js";
import { confirmed } from "../shared/confirm.js";

const AT_ONCE = 50;

export class Sidebar {
  #list = byId("conversations");
  #more = byId("more-conversations");
  #hooks;
  #items = [];
  #cursor = null;
  #current = null;

  /** Hooks: `open(conversation_id)`, `deleted(conversation_id)`. */
  constructor(hooks) {
    this.#hooks = hooks;
    this.#more.addEventListener("click", () => this.#load(this.#cursor));
  }

  /** From the beginning, as the server has them now. */
  refresh() {
    return this.#load(null);
  }

  mark(conversation_id) {
    this.#current = conversation_id;
    for (const link of this.#list.querySelectorAll("a")) {
      if (link.dataset.id === conversation_id) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
  }

  async #load(cursor) {
    try {
      const page = await call(
        `/conversations?limit=${AT_ONCE}${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`,
      );
      this.#items = cursor ? [...this.#items, ...page.items] : page.items;
      this.#cursor = page.next_cursor;
      this.#draw();
    } catch (error) {
      if (cursor || !this.#items.length) this.#list.replaceChildren(el("li", { class: "quiet", text: error.message }));
    }
  }

  #draw() {
    const none = el("li", { class: "quiet", text: "None yet." });
    this.#list.replaceChildren(...(this.#items.length ? this.#items.map((item) => this.#item(item)) : [none]));
    this.#more.hidden = !this.#cursor;
    this.mark(this.#current);
  }

  #item({ conversation_id: id, title, updated_at }) {
    const name = title || "Untitled";
    const row = el("li", { class: "conversation" });
    const link = el("a", {
      href: `/?c=${encodeURIComponent(id)}`,
      "data-id": id,
      title: `${name}\n${new Date(updated_at).toLocaleString()}`,
      text: name,
    });
    link.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return; // a tab or window of its own
      event.preventDefault();
      this.#hooks.open(id);
    });
    row.append(
      link,
      iconButton("pencil", `Rename ${name}`, () => this.#rename(row, id, title)),
      iconButton("trash", `Delete ${name}`, () => this.#delete(id, name)),
    );
    return row;
  }

  #rename(row, id, title) {
    const input = el("input", { value: title, maxlength: "80", "aria-label": "Name of the conversation" });
    const form = el("form", { class: "rename" }, input);
    const back = () => {
      this.#draw();
      this.#list.querySelector(`a[data-id="${CSS.escape(id)}"]`)?.focus();
    };
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      try {
        const changed = await call(`/conversations/${id}`, { method: "PATCH", body: { title: input.value.trim() } });
        this.#items = this.#items.map((item) => (item.conversation_id === id ? changed : item));
      } catch (error) {
        toast(`Not renamed: ${error.message}`, "error");
      }
      back();
    });
    input.addEventListener("keydown", (event) => event.key === "Escape" && (event.stopPropagation(), back()));
    input.addEventListener("blur", () => form.isConnected && this.#draw());
    row.replaceChildren(form);
    input.focus();
    input.select();
  }

  async #delete(id, name) {
    const said = `“${name}” will be gone with everything that was said in it.`;
    if (!(await confirmed("Delete this conversation?", said, "Delete"))) return;
    try {
      await call(`/conversations/${id}`, { method: "DELETE" });
      this.#items = this.#items.filter((item) => item.conversation_id !== id);
      this.#draw();
      this.#hooks.deleted(id);
    } catch (error) {
      toast(`Not deleted: ${error.message}`, "error");
    }
  }
}
