// What the page says: each state in plain words.

export const VERDICTS = {
  supported: { word: "Supported", why: "What the answer says stands in the quoted words." },
  partial: {
    word: "Partly supported",
    why: "Only part of what the answer says stands in the quoted words. Read both.",
  },
  unsupported: { word: "Not supported", why: "The quoted words do not say what the answer says. Don't rely on it." },
};

export function verdictOf(name) {
  return VERDICTS[name] ?? { word: name, why: "" };
}

/** The count of each verdict as a sentence, or nothing. */
export function groundingOf(grounding) {
  const names = { supported: "supported", partial: "partly supported", unsupported: "not supported" };
  const said = Object.entries(names)
    .filter(([name]) => grounding?.[name])
    .map(([name, word]) => `${grounding[name]} ${word}`);
  return said.length ? `Citations: ${said.join(", ")}` : "";
}

export function modelOf(name, kind) {
  return kind === "extractive" ? "quotations, no language model" : name;
}

/** Where in its document a passage stands. */
export function placeOf({ page, section }) {
  return [page && `page ${page}`, section].filter(Boolean).join(", ");
}

export function titleOf({ title, source }) {
  return title || source || "Untitled";
}

/** What is going on, while an answer is not over. */
export function progressOf({ answer_id, collection, passages, text, reasoning }) {
  if (text) return "Answering";
  if (reasoning) return "Thinking";
  if (passages.length) return `Reading ${passages.length} ${passages.length === 1 ? "passage" : "passages"}`;
  return answer_id ? `Searching in ${collection}` : "Asking";
}

export function summaryOf(answer) {
  const total = answer.timings_ms?.total;
  const { prompt_tokens, completion_tokens, cost } = answer.usage ?? {};
  return [
    answer.model,
    answer.collection,
    answer.cached ? "given earlier, nothing has changed since" : total && duration(total),
    completion_tokens && `${prompt_tokens + completion_tokens} tokens`,
    cost && `cost ${cost.toPrecision(2)}`,
    groundingOf(answer.grounding),
  ]
    .filter(Boolean)
    .join(" · ");
}

function duration(ms) {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

/** What became of an answer, where it is not simply there. */
export function endOf({ outcome, finish_reason, error }) {
  if (outcome === "failed")
    return { kind: "failed", title: "This answer failed", text: `${error.message} (${error.code})` };
  if (outcome === "cancelled")
    return { kind: "cancelled", title: "Stopped", text: "What was said until then is kept." };
  if (outcome === "no_answer") return { kind: "no-answer", title: "No answer in the documents", text: "" };
  if (finish_reason === "length")
    return { kind: "cancelled", title: "Cut short", text: "The language model reached its limit." };
  return null;
}
