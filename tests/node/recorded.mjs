// Reads recorded streams, {name: base64} from standard input, with a package's own parser; what it saw goes to
// standard output, {name: {messages, errors}}.
import { DefaultChatTransport, readUIMessageStream } from "ai";
import { HttpAgent } from "@ag-ui/client";

const reply = (bytes) => async () => new Response(bytes, { headers: { "content-type": "text/event-stream" } });
const user = { id: "1", role: "user", content: "Who?", parts: [{ type: "text", text: "Who?" }] };

async function uiMessages(bytes) {
  const errors = [];
  const transport = new DefaultChatTransport({ fetch: reply(bytes) });
  const stream = await transport.sendMessages({ chatId: "c", messages: [user], trigger: "submit-message" });
  let last;
  for await (const message of readUIMessageStream({ stream, onError: (error) => errors.push(error.message) })) last = message;
  return { messages: last ? [last] : [], errors };
}

async function agUi(bytes) {
  const errors = [];
  globalThis.fetch = reply(bytes);
  const agent = new HttpAgent({ url: "http://recorded/", threadId: "thread", initialMessages: [{ id: "1", role: "user", content: "Who?" }] });
  const custom = [];
  await agent
    .runAgent({ runId: "run" }, { onCustomEvent: ({ event }) => custom.push(event.name), onRunErrorEvent: ({ event }) => errors.push(event.message) })
    .catch((error) => errors.push(error.message));
  return { messages: agent.messages, errors, custom };
}

const readers = { "ui messages": uiMessages, "ag-ui": agUi };
const chunks = [];
for await (const chunk of process.stdin) chunks.push(chunk);
const seen = {};
for (const [name, data] of Object.entries(JSON.parse(Buffer.concat(chunks))))
  seen[name] = await readers[process.argv[2]](Buffer.from(data, "base64"));
process.stdout.write(JSON.stringify(seen));
