// Code in colours: comments, strings, numbers and keywords of common families of languages. One pass, and only texts in
// spans come of it; a language that no family knows stays as it is.

import { el } from "../shared/dom.js";
import { FAMILIES } from "./families.js";

const LONGEST = 50_000; // UTF-16 units; a longer text is not worth as many nodes
const WORD = /[\p{L}_$][\p{L}\p{N}_$]*/uy;
const NUMBER = /\d[\w.]*/y;
const TAG = /<\/?[\p{L}][\p{L}\p{N}:_-]*/uy;

/** Nodes that together are the text. */
export function coloured(text, language = "") {
  const family = text.length <= LONGEST && FAMILIES.get(language.toLowerCase());
  if (!family) return [text];
  return tokensOf(text, family).map(({ kind, text: part }) =>
    kind ? el("span", { class: `code-${kind}`, text: part }) : part,
  );
}

function tokensOf(text, family) {
  const found = [];
  let plain = 0; // where what has no colour began
  let isInTag = false;
  for (let at = 0; at < text.length;) {
    const { kind, end } = tokenAt(text, at, family, isInTag);
    if (family.hasTags && kind === "keyword") isInTag = true;
    else if (text[at] === ">") isInTag = false;
    if (kind) {
      if (plain < at) found.push({ text: text.slice(plain, at) });
      found.push({ kind, text: text.slice(at, end) });
      plain = end;
    }
    at = end;
  }
  return plain < text.length ? [...found, { text: text.slice(plain) }] : found;
}

function tokenAt(text, at, family, isInTag) {
  for (const [open, close] of family.comments)
    if (text.startsWith(open, at) && (open !== "#" || !/\S/.test(text[at - 1] ?? "")))
      return { kind: "comment", end: after(text, close, at + open.length) };
  const quote = (!family.hasTags || isInTag) && family.strings.find((one) => text.startsWith(one, at));
  if (quote && (quote !== "'" || family.hasPrefixes || !/[\p{L}\p{N}]/u.test(text[at - 1] ?? "")))
    return { kind: "string", end: closed(text, quote, at + quote.length) };
  if (family.hasTags) {
    const end = match(TAG, text, at);
    return end ? { kind: "keyword", end } : { end: at + 1 };
  }
  const word = match(WORD, text, at);
  if (word) {
    const said = text.slice(at, word);
    return { kind: family.keywords.has(family.isOfAnyCase ? said.toLowerCase() : said) && "keyword", end: word };
  }
  const number = match(NUMBER, text, at);
  return number ? { kind: "number", end: number } : { end: at + 1 };
}

/** Where a comment ends: a line's end is no part of it. */
function after(text, close, at) {
  const found = text.indexOf(close, at);
  if (found < 0) return text.length;
  return close === "\n" ? found : found + close.length;
}

/** Where a string ends; one of a single quote ends with its line, too. */
function closed(text, quote, from) {
  const isOfLine = quote.length === 1 && quote !== "`";
  for (let at = from; at < text.length; at++) {
    if (text.startsWith(quote, at)) return at + quote.length;
    if (isOfLine && text[at] === "\n") return at;
    if (text[at] === "\\") at++;
  }
  return text.length;
}

function match(pattern, text, at) {
  pattern.lastIndex = at;
  return pattern.test(text) ? pattern.lastIndex : 0;
}
