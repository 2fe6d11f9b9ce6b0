// Collections: made, deleted, indexed anew and back.

import { all, call } from "../shared/api.js";
import { confirmed } from "../shared/confirm.js";
import { byId, el, toast } from "../shared/dom.js";
import { bar, button, empty, facts, failure, fill, reason } from "./parts.js";
import { isOver, jobs } from "./watch.js";
import { count, moment, number, stageOf } from "./words.js";

export class CollectionsView {
  title = "Collections";
  #app;
  #place = el("div", { id: "collections" });
  #note = el("p", { class: "bad", role: "alert", hidden: true });

  constructor(app) {
    this.#app = app;
    this.element = el("section", { class: "view" }, this.#maker(), this.#place);
  }

  show() {
    this.#place.replaceChildren();
    return this.#load();
  }

  hide() {}

  #load() {
    return fill(
      this.#place,
      () => all("/collections"),
      (rows) => this.#draw(rows),
    );
  }

  #maker() {
    const name = el("input", {
      required: true,
      pattern: "[a-z0-9][a-z0-9_\\-]{0,62}",
      title: "Small letters, digits, - and _, at most 63",
      autocomplete: "off",
      spellcheck: "false",
    });
    const about = el("input", { autocomplete: "off" });
    const form = el(
      "form",
      { class: "maker" },
      el("label", {}, "Name", name),
      el("label", { class: "grows" }, "What is in it (if you like)", about),
      el("button", { class: "button primary", text: "Create a collection" }),
    );
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      this.#note.hidden = true;
      try {
        const made = await call("/collections", {
          method: "POST",
          body: { name: name.value, description: about.value },
        });
        form.reset();
        toast(`Collection ${made.name} is there.`);
        await this.#app.offerCollections(made.name);
        this.#load();
      } catch (error) {
        this.#note.textContent = `Not created: ${error.message}`;
        this.#note.hidden = false;
      }
    });
    return el("div", {}, form, this.#note);
  }

  #draw(rows) {
    return rows.length
      ? el("ul", { class: "cards" }, ...rows.map((row) => this.#card(row)))
      : empty("There is no collection. Create one above.");
  }

  #card(row) {
    const progress = el("div", { class: "progress-place" });
    const open = () => {
      this.#app.choose(row.name);
      this.#app.go("documents");
    };
    return el(
      "li",
      { class: "card", "data-name": row.name },
      el("h2", { text: row.name }),
      row.description && el("p", { text: row.description }),
      facts([
        ["Embedder", row.embedder ?? "not known until it holds a document"],
        ["Came", moment(row.created_at)],
        ["Own prompts", Object.keys(row.prompts).join(", ")],
      ]),
      el(
        "div",
        { class: "row" },
        button("Documents", open, { "aria-label": `Documents of ${row.name}` }),
        button("Index anew", () => this.#reindex(row.name, progress), { "aria-label": `Index ${row.name} anew` }),
        button("Back to the index before", () => this.#start(row.name, { back: true }, progress), {
          "aria-label": `Back to the index before, of ${row.name}`,
        }),
        button("Delete", () => this.#delete(row.name), {
          class: "small-button danger",
          "aria-label": `Delete ${row.name}`,
        }),
      ),
      progress,
    );
  }

  async #reindex(name, place) {
    const embedder = await askForEmbedder(name);
    if (embedder !== null) await this.#start(name, embedder ? { embedder } : {}, place);
  }

  async #start(name, body, place) {
    try {
      const job = await call(`/collections/${encodeURIComponent(name)}/reindex`, {
        method: "POST",
        body,
        wait_ms: 180_000,
      });
      this.#follow(job, place);
    } catch (error) {
      place.replaceChildren(failure(error));
    }
  }

  #follow(job, place) {
    const show = (now, error) => {
      if (error) place.replaceChildren(failure(error));
      else if (now.error) place.replaceChildren(reason(now.error));
      else if (now.state === "done")
        place.replaceChildren(el("p", { class: "good", role: "status", text: "Searches use the other index now." }));
      else if (isOver(now))
        place.replaceChildren(el("p", { role: "status", text: "Cancelled; searches use the same index as before." }));
      else {
        const far = now.chunks_total ? `, ${number(now.chunks_done)} of ${count(now.chunks_total, "chunk")}` : "";
        const cancel = button("Cancel", () =>
          call(`/jobs/${job.job_id}/cancel`, { method: "POST" }).catch((problem) => toast(problem.message, "error")),
        );
        place.replaceChildren(
          el("p", {
            class: "quiet",
            text: `Being indexed: ${stageOf(now.stage)}${far}. Searches use the index in use meanwhile.`,
          }),
          bar(now.chunks_done, now.chunks_total, "Indexed"),
          cancel,
        );
      }
    };
    show(job);
    jobs.add(job.job_id, show);
  }

  async #delete(name) {
    if (!(await confirmed("Delete this collection?", `“${name}” will be gone with all its documents.`, "Delete")))
      return;
    try {
      await call(`/collections/${encodeURIComponent(name)}`, { method: "DELETE" });
      toast(`Collection ${name} is deleted.`);
      await this.#app.offerCollections();
      this.#load();
    } catch (error) {
      toast(`Not deleted: ${error.message}`, "error");
    }
  }
}

/** A model's name, nothing for that of the settings, or null when the reader thinks better of it. */
function askForEmbedder(name) {
  const input = el("input", {
    id: "embedder",
    autocomplete: "off",
    spellcheck: "false",
    placeholder: "that of the settings",
  });
  const form = el(
    "form",
    { method: "dialog" },
    el("h2", { id: "reindex-title", text: `Index ${name} anew?` }),
    el("p", {
      text: "A new index is built beside the one in use, then searches go over to it. The one before is kept for a way back.",
    }),
    el("label", { for: "embedder", text: "Embedder: a model’s name or folder" }),
    input,
    el(
      "div",
      { class: "row end" },
      el("button", { type: "button", class: "button", text: "Cancel", onclick: () => dialog.close("no") }),
      el("button", { class: "button primary", value: "yes", text: "Index anew" }),
    ),
  );
  const dialog = el("dialog", { "aria-labelledby": "reindex-title" }, form);
  byId("dialogs").append(dialog);
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes" ? input.value.trim() : null);
    });
    dialog.showModal();
  });
}
