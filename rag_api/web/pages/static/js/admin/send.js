// Files on their way to the server, with how far they are: `fetch` does not tell that.

import { API, ApiError, bearer } from "../shared/api.js";
import { askForKey, givenKey } from "../shared/key.js";

/** The rows that the server made of the files `{file, path}`; `told(share)` hears how much has been sent. */
export async function send(collection, files, told) {
  for (;;) {
    const key = givenKey();
    const { status, body } = await post(collection, files, told, key);
    if (status === 202) return body.documents;
    const error = body?.error ?? { code: `http_${status}`, message: `The server said ${status}` };
    if (error.code === "nothing_accepted" && error.details)
      return error.details.map((row) => ({ ...row, status: "rejected" }));
    if (status !== 401 || !(await askForKey(error.message, key))) throw new ApiError(status, error.code, error.message);
  }
}

function post(collection, files, told, key) {
  const form = new FormData();
  for (const { file, path } of files) form.append("files", file, path);
  const request = new XMLHttpRequest();
  request.open("POST", `${API}/collections/${encodeURIComponent(collection)}/documents`);
  for (const [name, value] of Object.entries(bearer(key))) request.setRequestHeader(name, value);
  request.responseType = "json";
  request.upload.addEventListener("progress", (event) => event.lengthComputable && told(event.loaded / event.total));
  return new Promise((resolve, reject) => {
    const lost = "The connection broke while this was sent. Is the server running, and could the file be read?";
    request.addEventListener("load", () => resolve({ status: request.status, body: request.response }));
    request.addEventListener("error", () => reject(new ApiError(0, "server_unreachable", lost)));
    request.send(form);
  });
}
