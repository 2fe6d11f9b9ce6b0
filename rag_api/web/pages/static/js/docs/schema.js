// JSON schemas, told to people, and as examples.

const DEEPEST = 6;

/** A schema with its reference followed, and without the null that it may also be. */
export function resolved(schema, description) {
  let found = schema;
  for (let i = 0; found?.$ref && i < DEEPEST; i++) {
    found = found.$ref
      .split("/")
      .slice(1)
      .reduce((node, name) => node?.[name], description);
  }
  const choices = found?.anyOf?.filter(({ type }) => type !== "null");
  return choices?.length === 1 ? { ...found, ...resolved(choices[0], description), isNullable: true } : (found ?? {});
}

/** What a value must be, in a few words. */
export function kind(schema, description) {
  const one = resolved(schema, description);
  const limits = [
    one.enum && one.enum.map((value) => JSON.stringify(value)).join(" or "),
    one.const !== undefined && JSON.stringify(one.const),
    range("length", one.minLength, one.maxLength),
    range("", one.minimum, one.maximum),
    one.pattern && `matching ${one.pattern}`,
    one.default !== undefined && one.default !== null && one.default !== "" && `default ${JSON.stringify(one.default)}`,
  ];
  const word = one.anyOf ? one.anyOf.map((choice) => kind(choice, description)).join(" or ") : named(one, description);
  return [word, ...limits].filter(Boolean).join(", ");
}

function named(schema, description) {
  if (schema.type === "array") return `list of ${kind(schema.items ?? {}, description)}`;
  if (schema.format === "binary" || schema.contentMediaType) return "file";
  return schema.type ?? (schema.enum ? "" : "any");
}

function range(name, least, most) {
  if (least === undefined && most === undefined) return "";
  const [from, to] = [least, most].map((value) => value?.toLocaleString("en"));
  const said = least === undefined ? `at most ${to}` : most === undefined ? `at least ${from}` : `${from} to ${to}`;
  return name ? `${name} ${said}` : said;
}

/** The fields of an object as `{name, schema, isRequired}`. */
export function fields(schema, description) {
  const one = resolved(schema, description);
  return Object.entries(one.properties ?? {}).map(([name, property]) => ({
    name,
    schema: property,
    isRequired: one.required?.includes(name) ?? false,
  }));
}

/** A body to begin with: what is required and what has an example of its own. */
export function example(schema, description, depth = 0) {
  const one = resolved(schema, description);
  if (one.examples?.length) return one.examples[0];
  if (one.default !== undefined && one.default !== null) return one.default;
  if (one.enum) return one.enum[0];
  if (one.properties && depth < DEEPEST) {
    const wanted = fields(one, description).filter(
      ({ schema: property, isRequired }) => isRequired || resolved(property, description).examples,
    );
    return Object.fromEntries(
      wanted.map(({ name, schema: property }) => [name, example(property, description, depth + 1)]),
    );
  }
  return (
    { string: "", integer: one.minimum ?? 0, number: one.minimum ?? 0, boolean: false, array: [], object: {} }[
      one.type
    ] ?? null
  );
}
