// What the page says of numbers, moments and states.

const STATES = {
  waiting: "Waiting",
  sending: "Sending",
  queued: "Queued",
  running: "Running",
  ready: "Ready",
  done: "Done",
  failed: "Failed",
  cancelled: "Cancelled",
  unchanged: "There already",
  rejected: "Not taken",
};
const STAGES = {
  parse: "reading",
  embed: "making vectors",
  index: "writing the index",
  publish: "switching over",
  reap: "removing",
  words: "writing the words anew",
  vectors: "writing the vectors anew",
  log: "emptying the log",
};
const FATES = {
  shown: "Shown",
  below_top_k: "Below the last one shown",
  same_text: "Same text as one shown",
  filtered_out: "Filtered out",
  not_current: "Replaced, deleted or not yet published",
};

export function stateOf(state) {
  return STATES[state] ?? state;
}

export function stageOf(stage) {
  return STAGES[stage] ?? stage;
}

export function fateOf(fate) {
  return FATES[fate] ?? fate;
}

export function number(value) {
  return value.toLocaleString("en-GB");
}

export function count(value, one, many = `${one}s`) {
  return `${number(value)} ${value === 1 ? one : many}`;
}

export function bytes(value) {
  const units = ["B", "KB", "MB", "GB", "TB"];
  let power = 0;
  for (; value >= 1000 && power < units.length - 1; power++) value /= 1000;
  return `${power && value < 10 ? value.toFixed(1) : Math.round(value)} ${units[power]}`;
}

export function duration(ms) {
  if (ms === 0) return "0";
  if (ms < 1) return `${ms.toFixed(2)} ms`;
  if (ms < 1000) return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
  if (ms < 120_000) return `${(ms / 1000).toFixed(1)} s`;
  return `${Math.round(ms / 60_000)} min`;
}

/** A figure of an evaluation: a share in per cent, or a time. */
export function figure(value, unit) {
  return unit === "share" ? `${(100 * value).toFixed(1)} %` : duration(value);
}

export function moment(iso) {
  return iso ? new Date(iso).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" }) : "";
}

export function score(value) {
  return value === null || value === undefined ? "–" : value.toFixed(3);
}

/** Where in its document a passage stands. */
export function placeOf({ page, section }) {
  return [page && `page ${page}`, section].filter(Boolean).join(", ");
}
