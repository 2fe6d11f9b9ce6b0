// A form that sends a request and shows what comes back, streams as they come.

import { request } from "../shared/api.js";
import { copy } from "../shared/clipboard.js";
import { el, toast } from "../shared/dom.js";
import { givenKey } from "../shared/key.js";
import { example, fields, resolved } from "./schema.js";

const SHOWN = 200_000; // characters

export function trial({ method, path, parameters, bodies }, description) {
  const inputs = parameters.map((one) => field(one.name, one.schema.examples?.[0] ?? "", one.required));
  const json = bodies.find(([type]) => type === "application/json");
  const form = bodies.find(([type]) => type === "multipart/form-data");
  const parts = form ? fields(form[1].schema, description).map((one) => part(one, description)) : [];
  const text = json && !form ? el("textarea", { rows: "6", spellcheck: "false", "aria-label": "Body" }) : null;
  if (text) text.value = JSON.stringify(example(json[1].schema, description), null, 2);
  const output = el("pre", {
    class: "output",
    tabindex: "0",
    role: "region",
    "aria-label": "What came back",
    hidden: true,
  });
  const status = el("p", { class: "quiet", role: "status" });
  const stopping = el("button", { type: "button", class: "button", text: "Stop", hidden: true });
  const node = el(
    "form",
    { class: "trial" },
    el("h3", { text: "Try it" }),
    ...inputs.map(({ label }) => label),
    ...parts.map(({ label }) => label),
    text,
    el(
      "div",
      { class: "row" },
      el("button", { class: "button primary", text: `Send ${method.toUpperCase()}` }),
      stopping,
      el("button", { type: "button", class: "button", text: "Copy as curl", onclick: () => copyCurl() }),
      status,
    ),
    output,
  );

  function target() {
    const values = parameters
      .map((one, i) => ({ ...one, value: inputs[i].input.value }))
      .filter(({ value }) => value !== "");
    const of = (where) => values.filter((one) => one.in === where);
    const filled = of("path").reduce(
      (url, { name, value }) => url.replace(`{${name}}`, encodeURIComponent(value)),
      path,
    );
    const query = new URLSearchParams(of("query").map(({ name, value }) => [name, value]));
    return {
      url: query.size ? `${filled}?${query}` : filled,
      headers: Object.fromEntries(of("header").map(({ name, value }) => [name, value])),
    };
  }

  function body() {
    if (text) return text.value.trim() ? JSON.parse(text.value) : undefined;
    if (!form) return undefined;
    const data = new FormData();
    for (const { name, input } of parts)
      for (const value of input.files ?? [input.value]) if (value !== "") data.append(name, value);
    return data;
  }

  async function copyCurl() {
    const { url, headers } = target();
    const quoted = (value) => `'${value.replaceAll("'", "'\\''")}'`;
    const all = {
      ...headers,
      ...(text ? { "Content-Type": "application/json" } : {}),
      ...(givenKey() ? { Authorization: "Bearer KEY" } : {}),
    };
    const words = [
      "curl -N",
      method === "get" ? "" : `-X ${method.toUpperCase()}`,
      quoted(location.origin + url),
      ...Object.entries(all).map(([name, value]) => `-H ${quoted(`${name}: ${value}`)}`),
    ];
    const data = text
      ? [`-d ${quoted(text.value)}`]
      : parts
          .filter(({ input }) => input.value)
          .map(({ name, input }) => `-F ${quoted(`${name}=${input.files ? `@${input.files[0].name}` : input.value}`)}`);
    try {
      await copy([...words, ...data].filter(Boolean).join(" "));
      toast("Copied");
    } catch (error) {
      toast(`Not copied: ${error.message}`, "error");
    }
  }

  node.addEventListener("submit", async (event) => {
    event.preventDefault();
    const leaving = new AbortController();
    stopping.onclick = () => leaving.abort();
    stopping.hidden = false;
    output.hidden = false;
    output.textContent = "";
    status.textContent = "…";
    const began = performance.now();
    try {
      const { url, headers } = target();
      const response = await request(url, {
        method: method.toUpperCase(),
        body: body(),
        headers,
        signal: leaving.signal,
      });
      status.textContent = `${response.status} ${response.statusText}, ${Math.round(performance.now() - began)} ms`;
      await show(response, output);
    } catch (error) {
      const said = leaving.signal.aborted
        ? "stopped"
        : `${error.status || ""} ${error.code ?? "not sent"}: ${error.message}`;
      status.textContent = said.trim();
    }
    stopping.hidden = true;
  });
  return node;
}

async function show(response, output) {
  const isJson = (response.headers.get("Content-Type") ?? "").includes("application/json");
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  let whole = "";
  for (let read = await reader?.read(); read && !read.done; read = await reader.read()) {
    whole += read.value;
    if (!isJson) output.textContent = whole.slice(0, SHOWN);
    if (whole.length > SHOWN) break;
  }
  await reader?.cancel();
  const isCut = whole.length > SHOWN;
  output.textContent =
    isJson && !isCut
      ? JSON.stringify(JSON.parse(whole), null, 2)
      : whole.slice(0, SHOWN) + (isCut ? "\n… there is more" : "");
}

function field(name, value, isRequired) {
  const input = el("input", { value, required: isRequired });
  return { name, input, label: el("label", {}, name, input) };
}

function part({ name, schema, isRequired }, description) {
  const one = resolved(schema, description);
  const isFile = (one.items?.format ?? one.format) === "binary";
  const input = isFile
    ? el("input", { type: "file", multiple: one.type === "array", required: isRequired })
    : el("input", {});
  return { name, input, label: el("label", {}, name, input) };
}
