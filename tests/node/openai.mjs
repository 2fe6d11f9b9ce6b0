// What OpenAI's own client sees of the server at the address given: JSON on standard output.
import OpenAI from "openai";

const [, , baseURL, question] = process.argv;
const client = new OpenAI({ baseURL, apiKey: "none", maxRetries: 0 });
const messages = [{ role: "user", content: question }];
const model = "rag";

async function streamed() {
  const seen = { text: "", annotations: 0, total: 0 };
  const stream = await client.chat.completions.create({ model, messages, stream: true, stream_options: { include_usage: true } });
  for await (const chunk of stream) {
    const delta = chunk.choices[0]?.delta ?? {};
    seen.text += delta.content ?? "";
    seen.annotations += delta.annotations?.length ?? 0;
    seen.total = chunk.usage?.total_tokens ?? seen.total;
  }
  return seen;
}

async function streamedResponse() {
  let last = "";
  const stream = client.responses.stream({ model, input: question });
  for await (const event of stream) last = event.type;
  const response = await stream.finalResponse();
  const message = response.output.find((item) => item.type === "message");
  return { text: response.output_text, last, citation: message.content[0].annotations[0].filename };
}

async function errorOf(promise) {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error("nothing was raised");
}

const models = [];
for await (const one of client.models.list()) models.push(one.id);
const whole = await client.chat.completions.create({ model, messages });
const response = await client.responses.create({ model, input: question });
const embedded = await client.embeddings.create({ model, input: ["rye bread"] });
const unknown = await errorOf(client.chat.completions.create({ model: "gpt-9", messages }));
const wrong = await errorOf(client.chat.completions.create({ model, messages, n: 2 }));
process.stdout.write(
  JSON.stringify({
    models,
    whole: {
      text: whole.choices[0].message.content,
      annotations: whole.choices[0].message.annotations.length,
      total: whole.usage.total_tokens,
    },
    streamed: await streamed(),
    response: { text: response.output_text, types: response.output.map((item) => item.type) },
    streamedResponse: await streamedResponse(),
    dimensions: embedded.data[0].embedding.length,
    unknown: { kind: unknown.constructor.name, code: unknown.code },
    wrong: { kind: wrong.constructor.name, param: wrong.param },
  }),
);
