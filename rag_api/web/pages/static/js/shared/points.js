// The server counts Unicode code points, JavaScript's texts count UTF-16 units.

/** How many UTF-16 units the first `points` code points of a text take. */
export function units(text, points) {
  let at = 0;
  for (let left = points; left > 0 && at < text.length; left--) at += text.codePointAt(at) > 0xffff ? 2 : 1;
  return at;
}

/** The other way round: how many code points the first `units` of a text are. */
export function points(text, units) {
  let count = 0;
  for (let at = 0; at < units; count++) at += text.codePointAt(at) > 0xffff ? 2 : 1;
  return count;
}

/** As `units`, for many offsets of one text, in one pass where the text needs one at all. */
export class Points {
  #pairs = []; // code point offsets of what takes two units

  constructor(text) {
    if (!/[\ud800-\udbff]/.test(text)) return;
    let point = 0;
    for (let at = 0; at < text.length; at++, point++) {
      if (text.codePointAt(at) > 0xffff) {
        this.#pairs.push(point);
        at++;
      }
    }
  }

  units(point) {
    let low = 0;
    let high = this.#pairs.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#pairs[middle] < point) low = middle + 1;
      else high = middle;
    }
    return point + low;
  }
}

export function slice(text, start, end) {
  const points = new Points(text);
  return text.slice(points.units(start), points.units(end));
}
