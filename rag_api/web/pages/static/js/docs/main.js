// The interface as it describes itself in /openapi.json: every route, to read and to try.

import { themeButton } from "../shared/appearance.js";
import { request } from "../shared/api.js";
import { byId, el } from "../shared/dom.js";
import { operation } from "./operation.js";

const METHODS = ["get", "post", "patch", "put", "delete"];

async function load() {
  const description = await (await request("/openapi.json")).json();
  const { title, version, summary = "" } = description.info;
  byId("summary").textContent = `${title} ${version}. ${summary}`;
  const groups = new Map();
  for (const [path, item] of Object.entries(description.paths)) {
    for (const method of METHODS.filter((name) => item[name])) {
      const tag = item[method].tags?.[0] ?? "other";
      if (!groups.has(tag)) groups.set(tag, []);
      groups.get(tag).push(operation({ method, path, ...item[method] }, description));
    }
  }
  const sections = [...groups].map(([tag, operations]) =>
    el("section", { "aria-label": tag }, el("h2", { text: tag }), ...operations),
  );
  byId("routes").replaceChildren(...sections);
  find();
}

/** Shows only what matches what was typed. */
function find() {
  const words = byId("find").value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const section of document.querySelectorAll("#routes > section")) {
    const operations = [...section.querySelectorAll("details.operation")];
    for (const one of operations) one.hidden = !words.every((word) => one.dataset.words.includes(word));
    section.hidden = operations.every((one) => one.hidden);
  }
}

themeButton(byId("theme"));
byId("find").addEventListener("input", find);
load().catch((error) => (byId("summary").textContent = error.message));
