// What stands inside a block: emphasis, code, links, and the markers of citations, as a flat list of tokens with their
// places in the source. Emphasis is matched as CommonMark does it, on a stack of limited height, so it is linear.

import { address } from "./links.js";

const HIGHEST = 48;
const MARKER = /\[[\d,; ]{1,20}\]/y;
const URL_BARE = /https?:\/\/[^\s<>"'`|\\^{}\u0000-\u001f]{1,2000}/iy;
const URL_ANGLED = /<((?:https?:\/\/|mailto:)[^\s<>]+)>/iy;
const DESTINATION =
  /\(\s*(?:<([^<>\n]{0,2000})>|((?:[^\s()\\]|\\.|\((?:[^\s()\\]|\\.){0,500}\)){0,2000}))(?:\s+(?:"[^"]{0,500}"|'[^']{0,500}'))?\s*\)/y;
const ENTITY = /&(?:amp|lt|gt|quot|apos|nbsp|#39);/y;
const ENTITIES = {
  "&amp;": "&",
  "&lt;": "<",
  "&gt;": ">",
  "&quot;": '"',
  "&apos;": "'",
  "&nbsp;": "\u00a0",
  "&#39;": "'",
};
const SPECIAL = /[\\`*_~[\]!<&\n]|https?:\/\//gi;
const PUNCTUATION = /[\p{P}\p{S}]/u;

/** Tokens: text, code, marker, break, open and close (of strong, em, del, link). */
export function tokensOf(lines) {
  return new Scanner(lines).tokens();
}

class Scanner {
  #text;
  #starts = []; // of each line: where in the joined text, where in the source
  #tokens = [];
  #runs = []; // runs of * _ ~ that may still open
  #brackets = [];
  #ticks = new Map(); // length of a run of backticks that has no partner, and from where on

  constructor(lines) {
    let at = 0;
    for (const line of lines) {
      this.#starts.push([at, line.at]);
      at += line.text.length + 1;
    }
    this.#text = lines.map((line) => line.text).join("\n");
  }

  tokens() {
    const text = this.#text;
    let i = 0;
    while (i < text.length) {
      SPECIAL.lastIndex = i;
      const next = SPECIAL.exec(text)?.index ?? text.length;
      if (next > i) this.#say(text.slice(i, next), i);
      i = next < text.length ? this.#special(next) : next;
    }
    return this.#tokens.flatMap(written);
  }

  #source(i) {
    let low = 0;
    let high = this.#starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#starts[middle][0] <= i) low = middle;
      else high = middle - 1;
    }
    return this.#starts[low][1] + i - this.#starts[low][0];
  }

  #say(text, i) {
    this.#tokens.push({ type: "text", text, at: this.#source(i) });
  }

  #match(pattern, i) {
    pattern.lastIndex = i;
    return pattern.exec(this.#text);
  }

  /** Takes what begins at a character that may mean something; where to go on. */
  #special(i) {
    const character = this.#text[i];
    if (character === "\\") return this.#escape(i);
    if (character === "`") return this.#code(i);
    if (character === "\n") return this.#lineEnd(i);
    if (character === "*" || character === "_" || character === "~") return this.#run(i);
    if (character === "[" || (character === "!" && this.#text[i + 1] === "[")) return this.#bracket(i);
    if (character === "]") return this.#closeBracket(i);
    const entity = character === "&" && this.#match(ENTITY, i);
    if (entity) {
      this.#say(ENTITIES[entity[0]], i);
      return i + entity[0].length;
    }
    return this.#bare(i);
  }

  #escape(i) {
    const next = this.#text[i + 1];
    if (next === "\n") {
      this.#tokens.push({ type: "break" });
      return i + 2;
    }
    const isEscape = next !== undefined && /[!-/:-@[-`{-~]/.test(next);
    this.#say(isEscape ? next : "\\", isEscape ? i + 1 : i);
    return i + (isEscape ? 2 : 1);
  }

  #code(i) {
    let end = i;
    while (this.#text[end] === "`") end++;
    const mark = this.#text.slice(i, end);
    if ((this.#ticks.get(mark.length) ?? Infinity) > i) {
      for (let at = this.#text.indexOf(mark, end); at >= 0; at = this.#text.indexOf(mark, at)) {
        let after = at;
        while (this.#text[after] === "`") after++;
        if (after - at === mark.length) {
          this.#tokens.push({ type: "code", parts: this.#parts(end, at) });
          return after;
        }
        at = after;
      }
      this.#ticks.set(mark.length, i);
    }
    this.#say(mark, i);
    return end;
  }

  /** What stands between two places, line by line, each line's end a blank. */
  #parts(start, end) {
    const inner = this.#text.slice(start, end);
    const isPadded = /^\s/.test(inner) && /\s$/.test(inner) && inner.trim() !== "";
    let at = start + isPadded;
    const lines = (isPadded ? inner.slice(1, -1) : inner).split("\n");
    return lines.map((line, i) => {
      const part = { text: i < lines.length - 1 ? `${line} ` : line, at: this.#source(at) };
      at += line.length + 1;
      return part;
    });
  }

  #lineEnd(i) {
    const before = this.#tokens.at(-1);
    const isHard = before?.type === "text" && before.text.endsWith("  ");
    if (before?.type === "text") before.text = before.text.trimEnd();
    this.#tokens.push(isHard ? { type: "break" } : { type: "text", text: " ", at: this.#source(i) });
    return i + 1;
  }

  #run(i) {
    const character = this.#text[i];
    let end = i;
    while (this.#text[end] === character) end++;
    const length = end - i;
    const before = i > 0 ? this.#text[i - 1] : " ";
    const after = this.#text[end] ?? " ";
    const [spaceBefore, spaceAfter] = [/\s/.test(before), /\s/.test(after)];
    const [markBefore, markAfter] = [PUNCTUATION.test(before), PUNCTUATION.test(after)];
    const left = !spaceAfter && (!markAfter || spaceBefore || markBefore);
    const right = !spaceBefore && (!markBefore || spaceAfter || markAfter);
    const isWordy = character === "_";
    const run = { type: "run", character, length, left: length, at: this.#source(i), opens: [], closes: [] };
    run.canOpen = left && (!isWordy || !right || markBefore) && (character !== "~" || length === 2);
    run.canClose = right && (!isWordy || !left || markAfter) && (character !== "~" || length === 2);
    this.#tokens.push(run);
    if (run.canClose) this.#close(run);
    if (run.canOpen && run.left) this.#runs.push(run);
    if (this.#runs.length > HIGHEST) this.#runs.shift();
    return end;
  }

  #close(run) {
    for (let i = this.#runs.length - 1; i >= 0 && run.left; i--) {
      const opener = this.#runs[i];
      const isOdd = (opener.canClose || run.canOpen) && (opener.length + run.length) % 3 === 0 && run.length % 3 !== 0;
      if (opener.character !== run.character || isOdd) continue;
      while (opener.left && run.left) {
        const taken = run.character === "~" ? 2 : Math.min(opener.left, run.left, 2);
        const name = run.character === "~" ? "del" : taken === 2 ? "strong" : "em";
        opener.opens.unshift(name);
        run.closes.push(name);
        opener.left -= taken;
        run.left -= taken;
      }
      this.#runs.length = opener.left ? i + 1 : i;
    }
  }

  #bracket(i) {
    const marker = this.#match(MARKER, i);
    if (marker && /\d/.test(marker[0])) {
      this.#tokens.push({ type: "marker", text: marker[0], at: this.#source(i) });
      return i + marker[0].length;
    }
    const length = this.#text[i] === "!" ? 2 : 1;
    const token = { type: "text", text: this.#text.slice(i, i + length), at: this.#source(i) };
    this.#tokens.push(token);
    this.#brackets.push({ token, isImage: length === 2, runs: [...this.#runs] });
    if (this.#brackets.length > HIGHEST) this.#brackets.shift();
    return i + length;
  }

  #closeBracket(i) {
    const opener = this.#brackets.pop();
    const found = opener && this.#match(DESTINATION, i + 1);
    if (!found) {
      this.#say("]", i);
      return i + 1;
    }
    const href = address((found[1] ?? found[2] ?? "").replace(/\\([!-/:-@[-`{-~])/g, "$1"));
    Object.assign(opener.token, { type: "open", name: "link", href, isImage: opener.isImage });
    this.#tokens.push({ type: "close", name: "link" });
    this.#runs = this.#runs.filter((run) => opener.runs.includes(run)); // what began inside ends inside
    if (!opener.isImage) this.#brackets = this.#brackets.filter((one) => one.isImage); // no link in a link
    return i + 1 + found[0].length;
  }

  #bare(i) {
    const angled = this.#match(URL_ANGLED, i);
    const bare = angled ? null : this.#match(URL_BARE, i);
    const shown = angled ? angled[1] : bare?.[0].replace(/[.,;:!?'")\]*_~]+$/, "");
    const href = shown && address(shown);
    if (!href) {
      this.#say(this.#text[i], i);
      return i + 1;
    }
    const inLink = this.#brackets.length > 0;
    if (!inLink) this.#tokens.push({ type: "open", name: "link", href });
    this.#say(shown, angled ? i + 1 : i);
    if (!inLink) this.#tokens.push({ type: "close", name: "link" });
    return i + (angled ? angled[0].length : shown.length);
  }
}

/** A run of marks as what it has become: ends, characters that are left over, beginnings. */
function written(token) {
  if (token.type !== "run") return [token];
  const { character, left, at } = token;
  const rest = left ? [{ type: "text", text: character.repeat(left), at: at + token.length - left }] : [];
  return [
    ...token.closes.map((name) => ({ type: "close", name })),
    ...rest,
    ...token.opens.map((name) => ({ type: "open", name })),
  ];
}
