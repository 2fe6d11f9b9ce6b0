// Parts of texts that are set off without touching them, where the browser can (CSS custom highlights).

export class Marks {
  #ranges = new Map();

  set(name, ranges) {
    if (!CSS.highlights) return;
    if (!CSS.highlights.has(name)) CSS.highlights.set(name, new Highlight());
    const highlight = CSS.highlights.get(name);
    for (const range of this.#ranges.get(name) ?? []) highlight.delete(range);
    for (const range of ranges) highlight.add(range);
    this.#ranges.set(name, ranges);
  }

  clear() {
    for (const name of this.#ranges.keys()) this.set(name, []);
  }
}
