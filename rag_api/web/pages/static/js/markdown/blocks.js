// The blocks of a Markdown text: CommonMark and tables, but no HTML (it is text here), no indented code and no
// definitions of links. Every block has `start` and `end` in the source, and its `reach`, which blank lines behind it
// belong to, too: what it is drawn from. Each line is looked at once a level, and levels are counted, so hostile nesting
// costs no more than its length.

import { cut, indent, isBlank, linesOf, outdent, trimmed } from "./lines.js";

const DEEPEST = 12;
const FENCE = /^ {0,3}(`{3,}|~{3,})(.*)$/;
const HEADING = /^ {0,3}(#{1,6})(?:[ \t]+(.*))?$/;
const RULE = /^ {0,3}(?:(?:\*[ \t]*){3,}|(?:-[ \t]*){3,}|(?:_[ \t]*){3,})$/;
const QUOTE = /^ {0,3}> ?/;
const ITEM = /^(\s*)([-*+]|(\d{1,9})([.)]))(?:([ \t]+)|$)/;
const UNDERLINE = /^ {0,3}(=+|-{2,})[ \t]*$/;
const DELIMITERS = /^ {0,3}\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$/;

export function parse(source) {
  return blocksOf(linesOf(source), 0);
}

function blocksOf(lines, depth) {
  const blocks = [];
  let i = 0;
  while (i < lines.length) {
    if (isBlank(lines[i])) {
      i++;
      continue;
    }
    const [block, next] = blockAt(lines, i, depth);
    let last = next - 1;
    const reach = endOf(lines[last]);
    while (last > i && isBlank(lines[last])) last--;
    blocks.push({ ...block, start: lines[i].at, end: endOf(lines[last]), reach });
    i = next;
  }
  return blocks;
}

function endOf(line) {
  return line.at + line.text.length;
}

function blockAt(lines, i, depth) {
  const { text } = lines[i];
  const isDeep = depth >= DEEPEST;
  if (fenceOf(text)) return fenced(lines, i);
  if (HEADING.test(text)) return [heading(lines[i]), i + 1];
  if (RULE.test(text)) return [{ type: "rule" }, i + 1];
  if (QUOTE.test(text) && !isDeep) return quote(lines, i, depth);
  if (ITEM.test(text) && !isDeep) return list(lines, i, depth);
  if (isTable(lines, i)) return table(lines, i);
  return paragraph(lines, i, isDeep);
}

function fenceOf(text) {
  const found = FENCE.exec(text);
  return found && !(found[1][0] === "`" && found[2].includes("`")) ? found : null;
}

/** Without its end, as while it is still being written, it goes to the end of the text. */
function fenced(lines, i) {
  const [, mark, info] = fenceOf(lines[i].text);
  const inner = indent(lines[i]);
  const end = new RegExp(`^ {0,3}${mark[0]}{${mark.length},}[ \\t]*$`);
  let next = i + 1;
  while (next < lines.length && !end.test(lines[next].text)) next++;
  const code = lines.slice(i + 1, next).map((line) => outdent(line, inner).text);
  while (next === lines.length && code.length && !/\S/.test(code.at(-1))) code.pop(); // it may go on, or not
  return [
    { type: "code", language: info.trim().split(/\s/)[0], text: code.join("\n") },
    Math.min(next + 1, lines.length),
  ];
}

function heading(line) {
  const [whole, marks, rest = ""] = HEADING.exec(line.text);
  const { text, at } = trimmed({ text: rest, at: line.at + whole.length - rest.length });
  return { type: "heading", level: marks.length, lines: [{ text: unclosed(text), at }] };
}

/** Without the marks that may end a heading, too. No pattern: on many blanks it would be quadratic. */
function unclosed(text) {
  let end = text.length;
  while (text[end - 1] === "#") end--;
  return end === 0 || /\s/.test(text[end - 1]) ? text.slice(0, end).trimEnd() : text;
}

function quote(lines, i, depth) {
  const inner = [];
  let next = i;
  for (; next < lines.length; next++) {
    const mark = QUOTE.exec(lines[next].text);
    if (mark) inner.push(cut(lines[next], mark[0].length));
    else if (!isBlank(lines[next]) && next > i && !isBlank(inner.at(-1)) && !begins(lines[next].text))
      inner.push(lines[next]);
    else break;
  }
  return [{ type: "quote", blocks: blocksOf(inner, depth + 1) }, next];
}

/** Whether a line can't go on with a paragraph. */
function begins(text) {
  return HEADING.test(text) || RULE.test(text) || QUOTE.test(text) || Boolean(fenceOf(text)) || ITEM.test(text);
}

function list(lines, i, depth) {
  const first = ITEM.exec(lines[i].text);
  const isOrdered = first[3] !== undefined;
  const items = [];
  let isLoose = false;
  let next = i;
  let hasGap = false; // between the item before and this one
  for (let found = first; found;) {
    const [inner, after, isApart] = item(lines, next, found);
    const blocks = blocksOf(inner, depth + 1);
    isLoose ||= hasGap || areApart(blocks, inner);
    items.push({ blocks });
    [next, hasGap] = [after, isApart];
    found = next < lines.length && !RULE.test(lines[next].text) ? ITEM.exec(lines[next].text) : null;
    if (found && (found[4] ?? found[2]) !== (first[4] ?? first[2])) found = null;
  }
  return [{ type: "list", isOrdered, isLoose, from: isOrdered ? Number(first[3]) : 1, items }, next];
}

/** Whether a blank line stands between two of the blocks, which were made of the lines. */
function areApart(blocks, lines) {
  let behind = 0; // how many blocks end before the line
  return lines.filter(isBlank).some(({ at }) => {
    while (behind < blocks.length && blocks[behind].end < at) behind++;
    return behind > 0 && at < blocks[behind]?.start;
  });
}

/** The lines of an item, the line behind it, and whether a blank line stands before that. */
function item(lines, i, found) {
  const own = indent(lines[i]);
  const gap = found[5] ? Math.min(found[5].length, 4) : 1;
  const width = own + found[2].length + gap;
  const inner = [cut(lines[i], Math.min(found[1].length + found[2].length + gap, lines[i].text.length))];
  let next = i + 1;
  let isApart = false;
  for (; next < lines.length; next++) {
    const line = lines[next];
    if (isBlank(line)) {
      const follower = lines[next + 1];
      if (!follower) break;
      isApart = !isBlank(follower) && !belongs(follower, own, width);
      if (isApart) {
        next++;
        break;
      }
      inner.push(outdent(line, width));
    } else if (belongs(line, own, width)) inner.push(outdent(line, width));
    else if (!isBlank(inner.at(-1)) && !begins(line.text)) inner.push(line);
    else break;
  }
  return [inner, next, isApart];
}

/** Language models often indent what is in an item by two columns, whatever its mark takes. */
function belongs(line, own, width) {
  const columns = indent(line);
  return columns >= width || (columns >= own + 2 && ITEM.test(line.text));
}

function isTable(lines, i) {
  if (!lines[i].text.includes("|") || i + 1 >= lines.length || !DELIMITERS.test(lines[i + 1].text)) return false;
  return cellsOf(lines[i]).length === cellsOf(lines[i + 1]).length;
}

function table(lines, i) {
  const aligned = cellsOf(lines[i + 1]).map(({ text }) => alignment(text));
  const rows = [cellsOf(lines[i])];
  let next = i + 2;
  for (; next < lines.length && !isBlank(lines[next]) && !begins(lines[next].text); next++) {
    rows.push(cellsOf(lines[next]).slice(0, aligned.length));
  }
  return [{ type: "table", aligned, rows }, next];
}

function alignment(text) {
  if (!text.endsWith(":")) return "start";
  return text.startsWith(":") ? "center" : "end";
}

function cellsOf(line) {
  const { text, at } = trimmed(line);
  const cells = [];
  let from = text.startsWith("|") ? 1 : 0;
  const take = (to) => {
    cells.push(trimmed({ text: text.slice(from, to), at: at + from }));
    from = to + 1;
  };
  for (let i = from; i < text.length; i++) {
    if (text[i] === "\\") i++;
    else if (text[i] === "|") take(i);
  }
  if (from < text.length) take(text.length);
  return cells;
}

function paragraph(lines, i, isDeep) {
  const own = [begun(lines[i])];
  let next = i + 1;
  for (; next < lines.length && !isBlank(lines[next]); next++) {
    const { text } = lines[next];
    const underline = UNDERLINE.exec(text);
    if (underline) return [{ type: "heading", level: underline[1][0] === "=" ? 1 : 2, lines: own }, next + 1];
    if (!isDeep && begins(text) && !/^\s*(?:[2-9]|\d{2,})[.)]/.test(text)) break; // a year at a line's begin is no list
    if (isTable(lines, next)) break;
    own.push(begun(lines[next]));
  }
  own.push(trimmed(own.pop()));
  return [{ type: "paragraph", lines: own }, next];
}

/** Two blanks at a line's end break it, so they are kept. */
function begun(line) {
  return cut(line, line.text.length - line.text.trimStart().length);
}
