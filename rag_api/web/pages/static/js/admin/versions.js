// The versions of a document that the server knows: the one that is served, newer ones on their way, those that failed.

import { all } from "../shared/api.js";
import { el } from "../shared/dom.js";
import { badge, fill, reason, table } from "./parts.js";
import { bytes, moment, number } from "./words.js";

/** Shown only where there is more to tell than the one that is served; `path` is the document's. */
export function versions(path) {
  const place = el("div", { class: "versions" }, ""); // not empty, so nothing is said while it loads
  fill(
    place,
    () => all(`${path}/versions`).catch(forReaders),
    (rows) => {
      if (rows.length < 2) return [];
      const heads = ["Version", "State", "Came", "Size", "Chunks", "Why not"];
      return [el("h3", { text: "Versions" }), table("Versions, newest first", heads, rows.map(row))];
    },
  );
  return place;
}

/** Who may only read is told nothing of versions. */
function forReaders(error) {
  if (error.status === 403) return [];
  throw error;
}

function row(one) {
  return [
    number(one.version),
    [badge(one.status), one.is_current && el("p", { class: "quiet", text: "served" })].filter(Boolean),
    moment(one.created_at),
    bytes(one.bytes),
    one.status === "ready" ? number(one.chunks) : "",
    one.error ? reason(one.error) : "",
  ];
}
