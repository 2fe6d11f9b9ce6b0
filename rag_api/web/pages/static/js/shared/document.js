// A document's text and file, as the interface gives them.

import { API, bearer, call, request } from "./api.js";
import { givenKey } from "./key.js";

const READ_AT_ONCE = 8_000_000; // bytes; larger texts are fetched when somebody wants more than the passage

function pathOf(collection, { document_id }) {
  return `/collections/${encodeURIComponent(collection)}/documents/${encodeURIComponent(document_id)}`;
}

/** What is known of the document. */
export function about(collection, passage) {
  return call(pathOf(collection, passage));
}

/** The text that offsets count in, or null for a large one unless `whole`. */
export async function content(collection, passage, { whole = false, signal } = {}) {
  const path = `${API}${pathOf(collection, passage)}/content?version=${passage.version}`;
  const response = await request(path, { signal });
  if (!whole && Number(response.headers.get("Content-Length")) > READ_AT_ONCE) {
    await response.body.cancel();
    return null;
  }
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(await response.arrayBuffer());
}

/** Where the file is; a PDF is shown at the page. */
export function fileLink(collection, passage, mediaType) {
  const path = `${API}${pathOf(collection, passage)}/file`;
  if (mediaType !== "application/pdf") return path;
  return `${path}?inline=true${passage.page ? `#page=${passage.page}` : ""}`;
}

/** Links carry no key, so with one the file is fetched and handed over. */
export async function openFile(link, name) {
  const response = await request(link.split("#")[0], { headers: bearer() });
  const url = URL.createObjectURL(await response.blob());
  const anchor = document.createElement("a");
  if (response.headers.get("Content-Type") === "application/pdf") {
    Object.assign(anchor, { href: url + (link.includes("#") ? `#${link.split("#")[1]}` : ""), target: "_blank" });
  } else Object.assign(anchor, { href: url, download: name });
  anchor.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

export function needsKey() {
  return Boolean(givenKey());
}
