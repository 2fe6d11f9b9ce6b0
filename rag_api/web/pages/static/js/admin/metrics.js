// What `/metrics` says, read: Prometheus' text format.

const LINE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)/;
const LABEL = /(\w+)="((?:[^"\\]|\\.)*)"/g;

/** `{name, labels, value}` for each sample. */
export function samples(text) {
  const found = [];
  for (const line of text.split("\n")) {
    const match = line.startsWith("#") ? null : LINE.exec(line);
    if (!match) continue;
    const labels = Object.fromEntries(
      [...(match[2] ?? "").matchAll(LABEL)].map(([, name, value]) => [
        name,
        value.replace(/\\(.)/g, (_, sign) => (sign === "n" ? "\n" : sign)),
      ]),
    );
    found.push({ name: match[1], labels, value: Number(match[3]) });
  }
  return found;
}

/** A histogram's counts by its upper bounds in seconds, over all its labels. */
export function histogram(all, name) {
  const bounds = new Map();
  for (const { labels, value } of all.filter((one) => one.name === `${name}_bucket`))
    bounds.set(labels.le, (bounds.get(labels.le) ?? 0) + value);
  let before = 0;
  return [...bounds]
    .sort(([a], [b]) => bound(a) - bound(b))
    .map(([le, value]) => {
      const own = value - before;
      before = value;
      return { le: bound(le), count: own };
    });
}

function bound(le) {
  return le === "+Inf" ? Infinity : Number(le);
}

/** Requests by route: how many, how many of them went wrong, and how long until the response began. */
export function routes(all) {
  const found = new Map();
  const of = (route) =>
    found.get(route) ??
    found.set(route, { route, requests: 0, refused: 0, failed: 0, seconds: 0, timed: 0 }).get(route);
  for (const { name, labels, value } of all) {
    if (name === "rag_requests_total") {
      of(labels.route).requests += value;
      if (labels.status >= "500") of(labels.route).failed += value;
      else if (labels.status >= "400") of(labels.route).refused += value;
    } else if (name === "rag_request_seconds_sum") of(labels.route).seconds += value;
    else if (name === "rag_request_seconds_count") of(labels.route).timed += value;
  }
  return [...found.values()]
    .filter(({ route }) => route.startsWith("/api") || route.startsWith("/v1"))
    .sort((a, b) => b.requests - a.requests);
}
