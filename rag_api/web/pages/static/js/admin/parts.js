// Pieces that all views are made of: states in words, badges, tables, lists that come in pages.

import { el } from "../shared/dom.js";
import { askForAnother } from "../shared/key.js";
import { adviceFor } from "./advice.js";
import { stateOf } from "./words.js";

const KINDS = {
  ready: "supported",
  done: "supported",
  unchanged: "supported",
  ok: "supported",
  queued: "partial",
  running: "partial",
  sending: "partial",
  cancelled: "partial",
  failed: "unsupported",
  rejected: "unsupported",
};
const turns = new WeakMap();
let pressed = null;

addEventListener("pointerdown", () => {
  const ends = ["pointerup", "pointercancel"];
  pressed = new Promise((resolve) => {
    for (const end of ends) addEventListener(end, () => setTimeout(resolve), { once: true });
  });
});

export function badge(state, word = stateOf(state)) {
  return el("span", { class: `badge ${KINDS[state] ?? ""}`, text: word });
}

export function button(text, onclick, props = {}) {
  return el("button", { type: "button", class: "small-button", text, onclick, ...props });
}

export function empty(text) {
  return el("p", { class: "empty quiet", text });
}

/** Why something is not there, and the way to ask once more. */
export function failure(error, again) {
  const text = error.status === 401 ? "This needs a key of this server." : error.message;
  const another = async () => (await askForAnother(error.message)) && again();
  const way = error.code === "forbidden" ? button("Use another key", another) : button("Try again", again);
  return el("div", { class: "failure", role: "alert" }, el("p", { text }), again && way);
}

/** An error of a document or a job: what, and what to do. */
export function reason({ code, message }) {
  return el(
    "div",
    { class: "reason" },
    el("p", { class: "bad", text: message || code }),
    el("p", { class: "quiet", text: adviceFor(code) }),
  );
}

/** What `fetching` gives is drawn into the place; until then, and when it fails, that is said there. The last call wins. */
export async function fill(place, fetching, draw) {
  const turn = {};
  turns.set(place, turn);
  const isLast = () => turns.get(place) === turn;
  if (!place.childNodes.length) place.replaceChildren(empty("Loading…"));
  place.setAttribute("aria-busy", "true");
  try {
    const found = await fetching();
    await pressed; // a click that has begun shall still meet what it was meant for
    if (isLast()) keepingFocus(place, () => place.replaceChildren(...[draw(found)].flat().filter(Boolean)));
  } catch (error) {
    if (isLast()) place.replaceChildren(failure(error, () => fill(place, fetching, draw)));
  } finally {
    if (isLast()) place.removeAttribute("aria-busy");
  }
}

/** What had the focus has it again, if its like is there. */
function keepingFocus(place, draw) {
  const before = place.contains(document.activeElement) ? document.activeElement : null;
  const nameOf = (node) => node.getAttribute("aria-label") ?? node.textContent;
  draw();
  if (before) [...place.querySelectorAll(before.tagName)].find((node) => nameOf(node) === nameOf(before))?.focus();
}

/** `heads`: texts; `rows`: lists of cells, each a text, a node or a list of these. */
export function table(caption, heads, rows, props = {}) {
  const cell = (content) =>
    el("td", {}, ...[content].flat().filter((part) => part !== null && part !== undefined && part !== ""));
  return el(
    "div",
    { class: "table", tabindex: "0", role: "region", "aria-label": caption },
    el(
      "table",
      props,
      el("caption", { class: "off-screen", text: caption }),
      el("thead", {}, el("tr", {}, ...heads.map((text) => el("th", { scope: "col", text })))),
      el("tbody", {}, ...rows.map((cells) => (cells instanceof Node ? cells : el("tr", {}, ...cells.map(cell))))),
    ),
  );
}

/** Names and what they are; what is null is left out. */
export function facts(pairs) {
  const said = pairs.filter(([, value]) => value !== null && value !== undefined && value !== "");
  return el(
    "dl",
    { class: "facts" },
    ...said.map(([name, value]) => el("div", {}, el("dt", { text: name }), el("dd", {}, value))),
  );
}

export function select(label, options, onchange, props = {}) {
  const list = Object.entries(options).map(([value, text]) => el("option", { value, text }));
  const field = el("select", { onchange, ...props }, ...list);
  return { field, element: el("label", { class: "choice" }, el("span", { class: "quiet", text: label }), " ", field) };
}

export function bar(done, total, label) {
  return el("progress", { max: String(total || 1), ...(total ? { value: String(done) } : {}), "aria-label": label });
}
