// The smallest page of the AI SDK: what is said, a question, stop. The chat's id is the address's hash.
import { createElement, useState } from "react";
import { createRoot } from "react-dom/client";
import { useChat } from "@ai-sdk/react";
import { DefaultChatTransport } from "ai";

function Part({ part }) {
  if (part.type === "text") return <p className="text">{part.text}</p>;
  if (part.type === "source-document") return <cite>{part.title}</cite>;
  if (part.type === "data-citation") return <q>{part.data.quote}</q>;
  return null;
}

function Page() {
  const id = location.hash.slice(1);
  const transport = new DefaultChatTransport({ body: { collection: "default" } });
  const { messages, sendMessage, status, error } = useChat({ id, transport, resume: true });
  const [question, setQuestion] = useState("");
  const ask = (event) => {
    event.preventDefault();
    sendMessage({ text: question });
  };
  return (
    <main data-status={status}>
      {messages.map((message) => (
        <section key={message.id} className={message.role}>
          {message.parts.map((part, i) => (
            <Part key={i} part={part} />
          ))}
        </section>
      ))}
      <form onSubmit={ask}>
        <input value={question} onChange={(event) => setQuestion(event.target.value)} />
      </form>
      <button onClick={() => fetch(`/api/chat/${id}/stop`, { method: "POST" })}>Stop</button>
      <output>{error?.message}</output>
    </main>
  );
}

createRoot(document.getElementById("root")).render(createElement(Page));
