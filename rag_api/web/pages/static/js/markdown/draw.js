// From blocks to nodes. Text is only ever text; nothing is taken from anywhere but the answer itself.

import { copy } from "../shared/clipboard.js";
import { el } from "../shared/dom.js";
import { coloured } from "./colours.js";
import { tokensOf } from "./inline.js";

const TAGS = { strong: "strong", em: "em", del: "del" };
const LOWEST_HEADING = 6;

/** One block as a node. `pieces` gets every text node with its place in the source, `marker(token)` draws a citation. */
export function draw(block, { pieces, marker, headings = 2 }) {
  const context = { pieces, marker, headings };
  switch (block.type) {
    case "heading":
      return inline(el(`h${Math.min(block.level + headings, LOWEST_HEADING)}`), block.lines, context);
    case "rule":
      return el("hr");
    case "code":
      return code(block);
    case "quote":
      return el("blockquote", {}, ...block.blocks.map((inner) => draw(inner, context)));
    case "list":
      return list(block, context);
    case "table":
      return table(block, context);
    default:
      return inline(el("p"), block.lines, context);
  }
}

function list(block, context) {
  const items = block.items.map((item) => {
    const node = el("li");
    for (const inner of item.blocks) {
      if (inner.type === "paragraph" && !block.isLoose) inline(node, inner.lines, context);
      else node.append(draw(inner, context));
    }
    return node;
  });
  return el(
    block.isOrdered ? "ol" : "ul",
    { start: block.isOrdered && block.from !== 1 && String(block.from) },
    ...items,
  );
}

function table(block, context) {
  const row = (cells, tag) =>
    el(
      "tr",
      {},
      ...cells.map((cell, i) =>
        inline(el(tag, { class: `to-${block.aligned[i]}`, scope: tag === "th" && "col" }), [cell], context),
      ),
    );
  const [head, ...rows] = block.rows;
  const body = el("tbody", {}, ...rows.map((cells) => row(cells, "td")));
  // what can be scrolled must be reachable by keyboard
  return el(
    "div",
    { class: "table", tabindex: "0", role: "region", "aria-label": "Table" },
    el("table", {}, el("thead", {}, row(head, "th")), body),
  );
}

function code(block) {
  const button = el("button", { type: "button", class: "small-button", text: "Copy" });
  button.addEventListener("click", async () => {
    try {
      await copy(block.text);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Not copied";
    }
    setTimeout(() => (button.textContent = "Copy"), 2_000);
  });
  const bar = el("div", { class: "code-bar" }, el("span", { text: block.language || "text" }), button);
  const text = el(
    "pre",
    { tabindex: "0", role: "region", "aria-label": "Code" },
    el("code", {}, ...coloured(block.text, block.language)),
  );
  return el("div", { class: "code" }, bar, text);
}

/** Puts what stands in the lines into a node. */
function inline(node, lines, { pieces, marker }) {
  const open = [node];
  for (const token of tokensOf(lines)) {
    const here = open.at(-1);
    if (token.type === "text") here.append(text(token, pieces));
    else if (token.type === "code") here.append(el("code", {}, ...token.parts.map((part) => text(part, pieces))));
    else if (token.type === "marker") here.append(marker(token) ?? text(token, pieces));
    else if (token.type === "break") here.append(el("br"));
    else if (token.type === "open") {
      const child = token.name === "link" ? link(token) : el(TAGS[token.name]);
      here.append(child);
      open.push(child);
    } else if (open.length > 1) open.pop();
  }
  return node;
}

function text(token, pieces) {
  const node = document.createTextNode(token.text);
  pieces.push({ node, at: token.at });
  return node;
}

/** A picture is shown as a link to it: fetching it would tell its host who reads what. */
function link({ href, isImage }) {
  if (!href) return el("span", { class: "dead-link", title: "This link leads nowhere that this page follows" });
  const props = { href, title: href, target: "_blank", rel: "noopener noreferrer nofollow" };
  return el("a", isImage ? { ...props, class: "picture" } : props);
}
