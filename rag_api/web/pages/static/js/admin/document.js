// One document: what is known of it, how it was cut, and what can be done with it.

import { call } from "../shared/api.js";
import { content, fileLink, needsKey, openFile } from "../shared/document.js";
import { el, toast } from "../shared/dom.js";
import { CutText } from "./cut.js";
import { deleted } from "./documents.js";
import { badge, bar, button, empty, facts, failure, fill, reason } from "./parts.js";
import { versions } from "./versions.js";
import { isOver, jobs } from "./watch.js";
import { bytes, moment, number, placeOf, stageOf } from "./words.js";

const CHUNKS_AT_ONCE = 200;

export class DocumentView {
  title = "Document";
  #app;
  #place = el("div", { class: "document" });
  #collection;
  #id;
  #wanted = 0;

  constructor(app) {
    this.#app = app;
    this.element = el("section", { class: "view" }, this.#place);
  }

  show(collection, id, index) {
    [this.#collection, this.#id, this.#wanted] = [collection, id, Number(index ?? 0) || 0];
    this.#place.replaceChildren();
    return this.#load();
  }

  hide() {}

  #path() {
    return `/collections/${encodeURIComponent(this.#collection)}/documents/${encodeURIComponent(this.#id)}`;
  }

  #load() {
    return fill(
      this.#place,
      () => call(this.#path()),
      (row) => this.#draw(row),
    );
  }

  #draw(row) {
    const name = row.title || row.source;
    const progress = el("div", { class: "progress-place" });
    const cut = el("div", { class: "cut" });
    if (row.status === "ready") this.#cut(row, cut);
    return [
      el("p", {}, el("a", { href: "#documents", text: "All documents" })),
      el("div", { class: "row" }, el("h2", { text: name }), badge(row.status)),
      ...(row.error
        ? [
            el(
              "div",
              { class: "note" },
              row.status === "ready" && el("p", { text: "A newer version failed; the one before is served." }),
              reason(row.error),
            ),
          ]
        : []),
      el(
        "div",
        { class: "row" },
        this.#file(row),
        button("Ingest again", () => this.#again(progress), {
          class: "button",
          title: "Make a next version from the bytes that are kept",
        }),
        button("Delete", () => this.#delete(name), { class: "button danger" }),
      ),
      progress,
      facts([
        ["Source", row.source],
        ["Version", number(row.version)],
        ["Chunks", number(row.chunks)],
        ["Pages", row.pages && number(row.pages)],
        ["Size", bytes(row.bytes)],
        ["Kind", row.media_type],
        ["Came", moment(row.created_at)],
        ["Changed", moment(row.updated_at)],
        ["Groups", row.acl.join(", ")],
        ["Metadata", Object.keys(row.metadata).length ? JSON.stringify(row.metadata) : ""],
        ["SHA-256", row.sha256 && el("code", { text: row.sha256 })],
      ]),
      versions(this.#path()),
      cut,
    ];
  }

  #file(row) {
    if (!row.sha256) return null;
    const href = fileLink(this.#collection, row, row.media_type);
    const isPdf = row.media_type === "application/pdf";
    const onclick = (event) => {
      if (!needsKey()) return;
      event.preventDefault();
      openFile(href, row.source.split("/").at(-1)).catch((error) => toast(error.message, "error"));
    };
    return el("a", {
      class: "button",
      href,
      target: isPdf && "_blank",
      rel: "noopener",
      onclick,
      text: isPdf ? "Open the PDF" : "Download the file",
    });
  }

  async #again(place) {
    try {
      const { job_id } = await call(`${this.#path()}/ingest`, { method: "POST" });
      const id = this.#id;
      jobs.add(job_id, (job, error) => {
        if (this.#id !== id) return;
        if (error) place.replaceChildren(failure(error));
        else if (!isOver(job))
          place.replaceChildren(
            el("p", { class: "quiet", text: `Being ingested again: ${stageOf(job.stage)}` }),
            bar(job.chunks_done, job.chunks_total, "Ingested again"),
          );
        else {
          toast(
            job.state === "done" ? "Ingested again." : `Not ingested: ${job.error?.message ?? job.state}`,
            job.state === "done" ? "info" : "error",
          );
          this.#load();
        }
      });
    } catch (error) {
      toast(`Not ingested: ${error.message}`, "error");
    }
  }

  async #delete(name) {
    const receipt = await deleted(this.#collection, this.#id, name);
    if (receipt) this.#app.deleted(name, receipt);
  }

  /** The text, and beside it the list of its chunks. */
  #cut(row, place) {
    const reading = (whole) =>
      Promise.all([content(this.#collection, row, { whole }), this.#chunks(null, this.#wanted)]);
    const draw = ([text, page]) => {
      if (text !== null) return this.#reader(text, page);
      return button("Fetch the whole text (it is large)", () => fill(place, () => reading(true), draw));
    };
    fill(place, () => reading(false), draw);
  }

  /** From the cursor on, until the chunk with that index is among them. */
  async #chunks(cursor, index = -1) {
    const items = [];
    do {
      const page = await call(
        `${this.#path()}/chunks?limit=${CHUNKS_AT_ONCE}${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`,
      );
      items.push(...page.items);
      cursor = page.next_cursor;
    } while (cursor && items.at(-1).index < index);
    return { items, cursor };
  }

  #reader(text, page) {
    const chunks = [...page.items];
    if (!chunks.length) return empty("It has no chunks.");
    const cut = new CutText(text);
    const list = el("ol", { class: "chunk-list", "aria-label": "Chunks" });
    const said = el("p", { class: "quiet", role: "status" });
    const choose = (chunk) => {
      for (const button of list.querySelectorAll("button"))
        button.setAttribute("aria-pressed", String(button.dataset.index === String(chunk.index)));
      said.textContent = `Chunk ${chunk.index}: characters ${number(chunk.start)} to ${number(chunk.end)}${placeOf(chunk) && `, ${placeOf(chunk)}`}`;
      cut.show(chunks, chunk);
    };
    const add = (some) => list.append(...some.map((chunk) => el("li", {}, chunkButton(chunk, choose))));
    const more = button("Show more chunks", async () => {
      try {
        page = await this.#chunks(page.cursor);
        chunks.push(...page.items);
        add(page.items);
        more.hidden = !page.cursor;
      } catch (error) {
        toast(error.message, "error");
      }
    });
    more.hidden = !page.cursor;
    add(chunks);
    requestAnimationFrame(() => choose(chunks.find(({ index }) => index === this.#wanted) ?? chunks[0]));
    return [
      el("h3", { text: "As it was cut" }),
      said,
      el("div", { class: "cut-panes" }, el("div", { class: "chunk-pane" }, list, more), cut.element),
    ];
  }
}

function chunkButton(chunk, choose) {
  const size = `${number(chunk.end - chunk.start)} characters`;
  const where = [size, placeOf(chunk)].filter(Boolean).join(" · ");
  return el(
    "button",
    {
      type: "button",
      class: "chunk-button",
      "data-index": String(chunk.index),
      "aria-pressed": "false",
      onclick: () => choose(chunk),
    },
    el("span", { class: "number", text: String(chunk.index) }),
    el(
      "span",
      { class: "chunk-words" },
      el("span", { class: "chunk-begin", text: [...chunk.text.slice(0, 160)].slice(0, 80).join("") }),
      el("span", { class: "quiet", text: where }),
    ),
  );
}
