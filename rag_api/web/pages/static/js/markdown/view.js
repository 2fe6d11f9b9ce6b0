// A Markdown text on the page that grows while it is looked at: only blocks that have changed are drawn anew.

import { parse } from "./blocks.js";
import { draw } from "./draw.js";

export class MarkdownView {
  #root;
  #marker;
  #shown = []; // {key, node, pieces}

  /** `marker(token)` draws the marker of a citation, or gives null for one that is plain text. */
  constructor(root, marker = () => null) {
    this.#root = root;
    this.#marker = marker;
  }

  /** `stamp(start, end)` is what else than the text a block between these offsets depends on. */
  show(text, stamp = () => "") {
    const blocks = parse(text);
    blocks.forEach((block, i) => {
      const key = `${block.start}:${stamp(block.start, block.end)}:${text.slice(block.start, block.reach)}`;
      if (this.#shown[i]?.key === key) return;
      const pieces = [];
      const node = draw(block, { pieces, marker: this.#marker });
      if (this.#shown[i]) this.#shown[i].node.replaceWith(node);
      else this.#root.append(node);
      this.#shown[i] = { key, node, pieces };
    });
    for (const { node } of this.#shown.splice(blocks.length)) node.remove();
  }

  /** What is drawn of the text between two offsets. */
  ranges(start, end) {
    const found = [];
    for (const { node, at } of this.#shown.flatMap(({ pieces }) => pieces)) {
      const from = Math.max(start - at, 0);
      const to = Math.min(end - at, node.length);
      if (from >= to) continue;
      const range = document.createRange();
      range.setStart(node, from);
      range.setEnd(node, to);
      found.push(range);
    }
    return found;
  }
}
