// What a new conversation begins with: what is in the collection.

import { call } from "../shared/api.js";
import { el } from "../shared/dom.js";
import { titleOf } from "./words.js";

const NAMED = 6;

let latest = ""; // what comes late for another collection is dropped

export async function welcome(root, collection) {
  latest = collection;
  let said;
  try {
    const path = `/collections/${encodeURIComponent(collection)}`;
    const [{ description }, { items, next_cursor }] = await Promise.all([
      call(path),
      call(`${path}/documents?status=ready&limit=100`),
    ]);
    const count = `${items.length}${next_cursor ? " and more" : ""} ${items.length === 1 ? "document" : "documents"}`;
    const named = items.slice(0, NAMED).map(titleOf);
    said = items.length
      ? [
          el("p", {
            text:
              description || `Answers come from the ${count} of “${collection}”, and each says where it stands there.`,
          }),
          el("ul", { class: "titles" }, ...named.map((text) => el("li", { text }))),
        ]
      : [
          el("p", { text: `“${collection}” has no documents yet. Drop files onto this page, or on the terminal:` }),
          el("pre", {}, el("code", { text: `rag ingest FOLDER --collection ${collection}` })),
        ];
  } catch (error) {
    said = [el("p", { class: "note", text: error.message })];
  }
  if (latest === collection) root.replaceChildren(el("h2", { text: "What would you like to know?" }), ...said);
}
