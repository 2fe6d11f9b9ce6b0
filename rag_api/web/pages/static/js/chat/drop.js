// Files that are dropped onto the page go into the collection.

import { call } from "../shared/api.js";
import { byId, toast } from "../shared/dom.js";

const LOOK_MS = 700;
const MOST_MS = 600_000;
const UPLOAD_MS = 3_600_000;

/** `changed(collection)` is called when a document has come in. */
export function dropZone(collection, changed) {
  const veil = byId("drop");
  const has = (event) => event.dataTransfer?.types.includes("Files");
  addEventListener("dragover", (event) => {
    if (!has(event)) return;
    event.preventDefault();
    byId("drop-collection").textContent = collection();
    veil.hidden = false;
  });
  addEventListener("dragleave", (event) => (veil.hidden ||= event.relatedTarget === null));
  addEventListener("drop", (event) => {
    if (!has(event)) return;
    event.preventDefault();
    veil.hidden = true;
    upload(collection(), [...event.dataTransfer.files], changed);
  });
}

async function upload(collection, files, changed) {
  if (!files.length) return;
  const form = new FormData();
  for (const file of files) form.append("files", file);
  toast(`Sending ${files.length === 1 ? files[0].name : `${files.length} files`}`);
  try {
    const { documents } = await call(`/collections/${encodeURIComponent(collection)}/documents`, {
      method: "POST",
      body: form,
      wait_ms: UPLOAD_MS,
    });
    await Promise.all(documents.map((row) => follow(row)));
    changed(collection);
  } catch (error) {
    toast(`Not taken: ${error.message}`, "error");
  }
}

async function follow({ filename, job_id, status, error }) {
  if (status === "rejected") return toast(`${filename}: ${error.message}`, "error");
  if (status === "unchanged") return toast(`${filename} is there already.`);
  for (const until = Date.now() + MOST_MS; Date.now() < until;) {
    const job = await call(`/jobs/${job_id}`);
    if (job.state === "done") return toast(`${filename} can be asked about now.`);
    if (job.state === "failed" || job.state === "cancelled")
      return toast(`${filename}: ${job.error?.message ?? job.state}`, "error");
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
  return toast(`${filename} is still being taken in.`);
}
