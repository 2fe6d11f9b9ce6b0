// The documents of a collection: taken in, listed, deleted.

import { call } from "../shared/api.js";
import { confirmed } from "../shared/confirm.js";
import { byId, el, icon, iconButton, toast } from "../shared/dom.js";
import { badge, button, empty, fill, reason, select, table } from "./parts.js";
import { Uploads } from "./uploads.js";
import { chosen, dropped } from "./walk.js";
import { bytes, count, moment, number } from "./words.js";

const AT_ONCE = 100;
const LOOK_MS = 2_000;
const STATUSES = { "": "All", ready: "Ready", queued: "Queued", failed: "Failed" };

export class DocumentsView {
  title = "Documents";
  #app;
  #uploads = new Uploads(() => this.#soon(300));
  #receipts = el("div", { class: "receipts", role: "status" });
  #status = select("Show", STATUSES, () => this.refresh());
  #place = el("div", { id: "documents" });
  #timer = 0;
  #limit = AT_ONCE;

  constructor(app) {
    this.#app = app;
    this.element = el(
      "section",
      { class: "view" },
      this.#door(),
      this.#uploads.element,
      this.#receipts,
      el(
        "div",
        { class: "row toolbar" },
        this.#status.element,
        button("Refresh", () => this.refresh()),
      ),
      this.#place,
    );
    this.#dropZone();
  }

  show() {
    this.#place.replaceChildren();
    this.#limit = AT_ONCE;
    return this.refresh();
  }

  hide() {
    clearTimeout(this.#timer);
  }

  refresh() {
    clearTimeout(this.#timer);
    const query = new URLSearchParams({ limit: String(this.#limit) });
    if (this.#status.field.value) query.set("status", this.#status.field.value);
    return fill(
      this.#place,
      () => call(`${this.#path()}?${query}`),
      (page) => this.#draw(page),
    );
  }

  /** What a deletion removed. */
  receipt(name, { chunks, vectors, bytes: size }) {
    const text = `Deleted “${name}”: ${count(chunks, "chunk")}, ${count(vectors, "vector")}, ${bytes(size)}. Nothing of it is found any more, and the worker removes it; a purge (see Server) also takes it out of the files’ free space.`;
    const note = el(
      "p",
      { class: "receipt" },
      el("span", { text }),
      iconButton("close", "Close the receipt", () => note.remove()),
    );
    this.#receipts.append(note);
  }

  #path() {
    return `/collections/${encodeURIComponent(this.#app.collection)}/documents`;
  }

  #door() {
    const files = el("input", {
      type: "file",
      multiple: true,
      class: "off-screen",
      id: "files",
      "aria-label": "Files to add",
      tabindex: "-1",
    });
    const folder = el("input", {
      type: "file",
      webkitdirectory: true,
      class: "off-screen",
      id: "folder",
      "aria-label": "Folder to add",
      tabindex: "-1",
    });
    for (const input of [files, folder]) {
      input.addEventListener("change", () => {
        this.#uploads.add(this.#app.collection, chosen(input.files));
        input.value = "";
      });
    }
    const opener = (text, input) =>
      el(
        "button",
        { type: "button", class: "button", onclick: () => input.click() },
        icon(input === files ? "file" : "upload"),
        text,
      );
    return el(
      "div",
      { class: "door" },
      el("p", {}, "Drop files or folders anywhere on this page, or"),
      el("div", { class: "row" }, opener("Choose files", files), opener("Choose a folder", folder), files, folder),
      this.#web(),
    );
  }

  #web() {
    const input = el("input", {
      type: "url",
      required: true,
      placeholder: "https://",
      "aria-label": "Address of a page or a file",
    });
    const form = el("form", { class: "row" }, input, el("button", { class: "button", text: "Fetch" }));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#uploads.fetch(this.#app.collection, input.value);
      input.value = "";
    });
    return el("details", {}, el("summary", { text: "From the web" }), form);
  }

  #dropZone() {
    const veil = byId("drop");
    const has = (event) => event.dataTransfer?.types.includes("Files");
    addEventListener("dragover", (event) => {
      if (!has(event)) return;
      event.preventDefault();
      byId("drop-collection").textContent = this.#app.collection;
      veil.hidden = false;
    });
    addEventListener("dragleave", (event) => (veil.hidden ||= event.relatedTarget === null));
    addEventListener("drop", async (event) => {
      if (!has(event)) return;
      event.preventDefault();
      veil.hidden = true;
      this.#app.go("documents");
      try {
        this.#uploads.add(this.#app.collection, await dropped(event.dataTransfer));
      } catch (error) {
        toast(`Not read: ${error.message}`, "error");
      }
    });
  }

  #draw({ items, next_cursor }) {
    if (items.some(({ status }) => status === "queued")) this.#soon(LOOK_MS);
    if (!items.length) {
      const none = this.#status.field.value
        ? "No document of this collection is in that state."
        : "No documents yet. Add some above.";
      return empty(none);
    }
    const heads = ["Document", "State", "Version", "Chunks", "Pages", "Size", "Changed", ""];
    const rows = items.map((row) => this.#row(row));
    const more =
      next_cursor && button("Show more", () => ((this.#limit = Math.min(this.#limit + 300, 1_000)), this.refresh()));
    const note =
      next_cursor && this.#limit === 1_000
        ? el("p", { class: "quiet", text: "There are more; the command “rag documents” lists them all." })
        : more;
    return [table(`Documents of ${this.#app.collection}`, heads, rows, { class: "wide" }), note];
  }

  #row(row) {
    const { document_id, title, source, status, version, chunks, pages, bytes: size, updated_at, error } = row;
    const name = title || source;
    const href = `#document/${encodeURIComponent(this.#app.collection)}/${encodeURIComponent(document_id)}`;
    const about = [
      el("a", { class: "document-name", href, text: name }),
      source !== name && el("p", { class: "quiet", text: source }),
    ];
    const newer =
      status === "ready" && error && el("p", { class: "quiet", text: "A newer version failed; this one is served." });
    const trash = iconButton("trash", `Delete ${name}`, () => this.#delete(document_id, name));
    return [
      [...about, newer, error && reason(error)].filter(Boolean),
      badge(status),
      number(version),
      number(chunks),
      pages === null ? "" : number(pages),
      bytes(size),
      moment(updated_at),
      trash,
    ];
  }

  async #delete(document_id, name) {
    const done = await deleted(this.#app.collection, document_id, name);
    if (!done) return;
    this.receipt(name, done);
    this.refresh();
  }

  /** Looks again in a while, if this is still looked at. */
  #soon(ms) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.element.isConnected && this.refresh(), ms);
  }
}

/** Deletes when the reader agrees; the receipt, or nothing. */
export async function deleted(collection, document_id, name) {
  if (
    !(await confirmed(
      "Delete this document?",
      `“${name}” is not found any more, and answers that rest on it are emptied.`,
      "Delete",
    ))
  )
    return null;
  try {
    return await call(`/collections/${encodeURIComponent(collection)}/documents/${encodeURIComponent(document_id)}`, {
      method: "DELETE",
    });
  } catch (error) {
    toast(`Not deleted: ${error.message}`, "error");
    return null;
  }
}
