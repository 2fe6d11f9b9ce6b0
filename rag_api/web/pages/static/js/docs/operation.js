// One route: what it is for, what it takes, what it gives, and a form to try it.

import { el } from "../shared/dom.js";
import { fields, kind } from "./schema.js";
import { trial } from "./trial.js";

export function operation(route, description) {
  const { method, path, summary = "", description: text = "", parameters = [], requestBody, responses } = route;
  const bodies = Object.entries(requestBody?.content ?? {});
  const details = el(
    "details",
    { class: "operation", "data-words": `${method} ${path} ${summary} ${text}`.toLowerCase() },
    el(
      "summary",
      {},
      el("span", { class: `method ${method}`, text: method.toUpperCase() }),
      el("code", { text: path }),
      el("span", { class: "quiet", text: summary }),
    ),
  );
  details.addEventListener("toggle", () => details.childElementCount === 1 && details.append(inside()), { once: true });

  function inside() {
    return el(
      "div",
      { class: "inside" },
      text && el("p", { class: "text", text }),
      ...parameterTable(parameters, description),
      ...bodies.flatMap(([type, { schema }]) => bodyTable(type, schema, description)),
      ...answerTable(responses, description),
      trial({ method, path, parameters, bodies }, description),
    );
  }
  return details;
}

function parameterTable(parameters, description) {
  if (!parameters.length) return [];
  const rows = parameters.map((one) => [
    one.name,
    `${one.in}${one.required ? ", required" : ""}`,
    kind(one.schema, description),
    one.description ?? "",
  ]);
  return [table("Parameters", ["name", "where", "what", ""], rows)];
}

function bodyTable(type, schema, description) {
  const rows = fields(schema, description).map((one) => [
    one.name,
    one.isRequired ? "required" : "",
    kind(one.schema, description),
    one.schema.description ?? "",
  ]);
  return rows.length ? [table(`Body, ${type}`, ["field", "", "what", ""], rows)] : [];
}

function answerTable(responses, description) {
  const rows = Object.entries(responses).map(([status, { description: text, content = {} }]) => {
    const [[type, { schema = {} } = {}] = []] = Object.entries(content);
    const names = fields(schema, description)
      .map(({ name }) => name)
      .join(", ");
    return [status, type ?? "", names, text];
  });
  return [table("Answers", ["status", "type", "fields", ""], rows)];
}

function table(caption, heads, rows) {
  const cells = (row) => row.map((text, i) => el("td", {}, i ? text : el("code", { text })));
  return el(
    "div",
    { class: "table", tabindex: "0", role: "region", "aria-label": caption },
    el(
      "table",
      {},
      el("caption", { text: caption }),
      el("thead", {}, el("tr", {}, ...heads.map((text) => (text ? el("th", { scope: "col", text }) : el("td"))))),
      el("tbody", {}, ...rows.map((row) => el("tr", {}, ...cells(row)))),
    ),
  );
}
