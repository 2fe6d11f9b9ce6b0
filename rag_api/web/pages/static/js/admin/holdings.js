// What the server holds: how much of what, and how much of the disk that takes.

import { el } from "../shared/dom.js";
import { facts } from "./parts.js";
import { bytes, number } from "./words.js";

const PLACES = {
  catalogue: "Catalogue, with texts",
  files: "Files as they came",
  chroma: "Vector index",
  lexical: "Index of words",
  matrices: "Vectors for filters",
  answers: "Answers",
  evaluations: "Evaluations",
};

export function drawStats({ jobs: byState, bytes: sizes, ...counts }) {
  const names = { collections: "Collections", documents: "Documents", chunks: "Chunks", vectors: "Vectors" };
  const held = Object.entries(names).map(([key, name]) => [name, number(counts[key])]);
  const waiting = byState.queued + byState.running;
  const disk = Object.entries(sizes).map(([key, size]) => [
    PLACES[key] ?? key,
    size === null ? "kept elsewhere" : bytes(size),
  ]);
  const here = Object.values(sizes).reduce((sum, size) => sum + (size ?? 0), 0);
  const counted = facts([
    ...held,
    ["Jobs", waiting ? `${number(waiting)} to do` : "nothing to do"],
    ["Failed jobs", byState.failed && el("a", { href: "#jobs", text: number(byState.failed) })],
  ]);
  return [counted, facts([["On the disk", bytes(here)], ...disk])];
}
