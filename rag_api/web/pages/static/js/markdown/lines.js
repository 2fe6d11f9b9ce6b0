// Lines of a Markdown text that know where in it they stand, so that everything drawn from them can be pointed at.

const TAB = 4;

/** The lines as `{text, at}`; `at` is where in the source the text begins. */
export function linesOf(source) {
  const lines = [];
  let at = 0;
  for (const text of source.split("\n")) {
    lines.push({ text: text.endsWith("\r") ? text.slice(0, -1) : text, at });
    at += text.length + 1;
  }
  return lines;
}

export function isBlank(line) {
  return !/\S/.test(line.text);
}

/** How many columns of white space a line begins with. */
export function indent(line) {
  let columns = 0;
  for (const character of line.text) {
    if (character === " ") columns++;
    else if (character === "\t") columns += TAB - (columns % TAB);
    else break;
  }
  return columns;
}

/** The line without its first columns of white space. */
export function outdent(line, columns) {
  let passed = 0;
  let seen = 0;
  while (seen < columns && /[ \t]/.test(line.text[passed] ?? "")) {
    seen += line.text[passed] === "\t" ? TAB - (seen % TAB) : 1;
    passed++;
  }
  return cut(line, passed);
}

/** The line from one of its characters on. */
export function cut(line, from) {
  return { text: line.text.slice(from), at: line.at + from };
}

export function trimmed(line) {
  const from = line.text.length - line.text.trimStart().length;
  return { text: line.text.trim(), at: line.at + from };
}
