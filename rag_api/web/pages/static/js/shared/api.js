// The native interface: JSON in and out, one kind of error, the key where the server wants one.

import { askForKey, givenKey } from "./key.js";

export const API = "/api/v1";
const WAIT_MS = 60_000;

/** What the server, or the way to it, said. `status` is 0 where no server answered. */
export class ApiError extends Error {
  constructor(status, code, message) {
    super(message);
    Object.assign(this, { status, code });
  }
}

/** The response, whatever it holds, of a request that went well. Asks for a key when the server wants one. */
export async function request(path, { method = "GET", body, headers = {}, signal, wait_ms = WAIT_MS } = {}) {
  for (;;) {
    const key = givenKey();
    const response = await send(path, { method, body, headers: { ...headers, ...bearer(key) }, signal, wait_ms });
    if (response.ok) return response;
    const error = await errorOf(response);
    if (error.status !== 401 || !(await askForKey(error.message, key))) throw error;
  }
}

/** What the server answered, as JSON. */
export async function call(path, options = {}) {
  const response = await request(`${API}${path}`, options);
  return response.status === 204 ? null : response.json();
}

export function bearer(key = givenKey()) {
  return key ? { Authorization: `Bearer ${key}` } : {};
}

/** `wait_ms` is until the response's head is there; streams go on after it. */
async function send(path, { method, body, headers, signal, wait_ms }) {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), wait_ms);
  const isForm = body instanceof FormData;
  try {
    return await fetch(path, {
      method,
      headers: body && !isForm ? { "Content-Type": "application/json", ...headers } : headers,
      body: body && !isForm ? JSON.stringify(body) : body,
      signal: signal ? AbortSignal.any([signal, late.signal]) : late.signal,
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    const reason = late.signal.aborted ? "does not answer" : "can't be reached";
    throw new ApiError(0, "server_unreachable", `The server ${reason}. Is it running, and is the network there?`);
  } finally {
    clearTimeout(timer);
  }
}

async function errorOf(response) {
  try {
    const { error } = await response.json();
    return new ApiError(response.status, error.code, error.message);
  } catch {
    return new ApiError(
      response.status,
      `http_${response.status}`,
      `The server said ${response.status} ${response.statusText}`,
    );
  }
}

/** All items of a list that comes in pages, up to `most`. */
export async function all(path, most = 1000) {
  const items = [];
  let cursor = null;
  do {
    const sign = path.includes("?") ? "&" : "?";
    const page = await call(`${path}${sign}limit=200${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`);
    items.push(...page.items);
    cursor = page.next_cursor;
  } while (cursor && items.length < most);
  return items;
}
