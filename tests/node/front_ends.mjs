// A chat through the AI SDK's Chat and a run through AG-UI's agent, against the server given: JSON on standard output.
import { AbstractChat, DefaultChatTransport } from "ai";
import { HttpAgent } from "@ag-ui/client";

const [, , site, key, question] = process.argv;
const headers = { Authorization: `Bearer ${key}` };

class State {
  status = "ready";
  error = undefined;
  messages = [];
  pushMessage = (message) => this.messages.push(message);
  popMessage = () => this.messages.pop();
  replaceMessage = (index, message) => (this.messages[index] = structuredClone(message));
  snapshot = (value) => structuredClone(value);
}

class Chat extends AbstractChat {
  constructor(options) {
    super({ ...options, state: new State() });
  }
}

const text = (message) =>
  message.parts
    .filter((part) => part.type === "text")
    .map((part) => part.text)
    .join("");

const transport = new DefaultChatTransport({ api: `${site}/api/chat`, headers, body: { collection: "default" } });
const errors = [];
const chat = new Chat({ id: "from-node", transport, onError: (error) => errors.push(error.message) });
await chat.sendMessage({ text: question });
const first = chat.lastMessage;
await chat.sendMessage({ text: "And on Sundays?" });
const idle = await transport.reconnectToStream({ chatId: "nobody" });

const refused = [];
const locked = new DefaultChatTransport({ api: `${site}/api/chat` });
await new Chat({ id: "locked", transport: locked, onError: (error) => refused.push(error.message) }).sendMessage({ text: "x" });

const custom = [];
const agent = new HttpAgent({
  url: `${site}/api/ag-ui`,
  headers,
  initialMessages: [{ id: "1", role: "user", content: question }],
});
await agent.runAgent(
  { context: [{ description: "Ambient", value: "it is Sunday" }], forwardedProps: { collection: "default" } },
  { onCustomEvent: ({ event }) => custom.push(event.name) },
);
process.stdout.write(
  JSON.stringify({
    chat: { status: chat.status, text: text(first), types: first.parts.map((part) => part.type) },
    followUp: text(chat.lastMessage),
    errors,
    idle,
    refused: refused.join(),
    agUi: { text: agent.messages.at(-1).content, custom },
  }),
);
