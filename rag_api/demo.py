"""A chat with upload by Gradio, and a client of the HTTP interface like any other.

`python -m rag_api.demo` serves it by itself, as a Space of Hugging Face wants it: DEMO_URL and DEMO_KEY name a server,
without which it starts the service for its own time; DEMO_COLLECTION names the collection.
"""

import asyncio
import os
from collections.abc import AsyncGenerator, Mapping
from contextlib import ExitStack, aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from rag_api.async_client import AnswerEvent, AsyncClient, ServerError
from rag_api.attach import key_of, server
from rag_api.client_values import Citation, Passage, UploadRow
from rag_api.settings import load_settings
from rag_api.terminal import place

if TYPE_CHECKING:
    import gradio as gr

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
POLL_S = 0.5
INGEST_S = 600.0
AT_ONCE = 20
QUOTE_CHARS = 300
TELL = (
    "Ask about the documents, or drop files here to add some. What an answer rests on stands below it, with a verdict."
)
MARKS = {"supported": "🟢", "partial": "🟡", "unsupported": "🔴"}


@dataclass(slots=True)
class Turn:
    """An answer as it is shown."""

    answer_id: str = ""
    conversation_id: str = ""
    text: str = ""
    is_over: bool = False
    passages: dict[int, Passage] = field(default_factory=dict)
    cited: dict[int, Citation] = field(default_factory=dict)

    def take(self, event: AnswerEvent) -> None:
        match event.name:
            case "started":
                self.answer_id = event.data["answer_id"]
                self.conversation_id = event.data["conversation_id"] or ""
            case "retrieved":
                self.passages = {passage["n"]: passage for passage in event.data["passages"]}
            case "text":
                self.text += event.data["text"]
            case "reset":
                self.text = self.text[: event.data["offset"]]
                self.cited = {n: one for n, one in self.cited.items() if one["answer_end"] <= event.data["offset"]}
            case "citation":
                self.cited.setdefault(event.data["n"], cast(Citation, event.data))
            case "done":
                self.is_over, self.text = True, event.data["text"] + _ending(event.data["outcome"])
            case "failed":
                self.is_over, self.text = True, f"{self.text}\n\n**{event.data['error']['message']}**"

    def shown(self) -> str:
        return "\n\n".join([self.text, *(self._source(n, one) for n, one in sorted(self.cited.items()))])

    def _source(self, n: int, cited: Citation) -> str:
        passage, quote = self.passages[n], " ".join(cited["quote"].split())
        where = ", ".join(part for part in (passage["title"] or passage["source"], place(passage)) if part)
        short = quote if len(quote) <= QUOTE_CHARS else quote[: QUOTE_CHARS - 1] + "…"
        return f"> {MARKS[cited['verdict']]} **[{n}] {where}** ({cited['verdict']})  \n> “{short}”"


class Demo:
    def __init__(self, url: str, key: str, collection: str) -> None:
        self._url, self._key, self._collection = url, key, collection

    def page(self) -> "gr.ChatInterface":
        import gradio as gr

        conversation = gr.State("")
        return gr.ChatInterface(
            self.chat,
            multimodal=True,
            textbox=gr.MultimodalTextbox(file_count="multiple", placeholder="A question", sources=["upload"]),
            additional_inputs=[conversation],
            additional_outputs=[conversation],
            title="rag-api",
            description=TELL,
            analytics_enabled=False,
            concurrency_limit=AT_ONCE,
            api_name="chat",
        )

    async def chat(
        self, message: Mapping[str, Any], history: list[Any], conversation_id: str
    ) -> AsyncGenerator[tuple[str, str], None]:
        """What is to be shown, anew each time, with the conversation that it belongs to."""
        said = ""
        try:
            async with AsyncClient(self._url, key=self._key) as client:
                if files := [Path(file) for file in message.get("files", ())]:
                    async for said in self._add(client, files):
                        yield said, conversation_id
                if question := message.get("text", "").strip():
                    known = conversation_id if history else ""
                    async with aclosing(self._answer(client, question, known or "new")) as turns:
                        async for turn in turns:
                            yield "\n\n".join(part for part in (said, turn.shown()) if part), turn.conversation_id
        except ServerError as error:
            yield f"**{error}**", conversation_id

    async def _answer(self, client: AsyncClient, question: str, conversation_id: str) -> AsyncGenerator[Turn, None]:
        """Who stops reading has stopped the answer."""
        turn = Turn()
        events = client.ask(question, collection=self._collection, conversation_id=conversation_id)
        try:
            async with aclosing(events):
                async for event in events:
                    turn.take(event)
                    yield turn
        finally:
            if turn.answer_id and not turn.is_over:
                await client.cancel(turn.answer_id)

    async def _add(self, client: AsyncClient, files: list[Path]) -> AsyncGenerator[str, None]:
        """How far the files are: uploaded, then ingested."""
        rows = await client.upload(self._collection, [(file.name, file) for file in files])
        states = [_refusal(row) or row["status"] for row in rows]
        jobs = {i: row["job_id"] for i, row in enumerate(rows) if row["job_id"]}
        loop = asyncio.get_running_loop()
        deadline = loop.time() + INGEST_S
        while True:
            for i, job_id in list(jobs.items()):
                job = await client.job(job_id)
                states[i] = job["error"]["message"] if job["error"] else job["state"]
                if job["finished_at"]:
                    del jobs[i]
            yield "\n".join(f"- {row['filename']}: {state}" for row, state in zip(rows, states, strict=True))
            if not jobs or loop.time() > deadline:
                return
            await asyncio.sleep(POLL_S)


def serve(
    url: str, key: str, *, collection: str, host: str | None = None, port: int | None = None, root_path: str = ""
) -> None:
    """Until it is stopped. `host` and `port` None: those that Gradio's own variables name, else 127.0.0.1:7860."""
    import gradio as gr

    theme = gr.themes.Default(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"])  # all local
    page = Demo(url, key, collection).page()
    page.launch(server_name=host, server_port=port, root_path=root_path, theme=theme, footer_links=[])


def main() -> None:
    with ExitStack() as stack:
        url, key = os.environ.get("DEMO_URL", ""), os.environ.get("DEMO_KEY", "")
        if not url:
            settings = load_settings()
            url, key = stack.enter_context(server(settings)).url, key_of(settings)
        serve(url, key, collection=os.environ.get("DEMO_COLLECTION", "default"))


def _ending(outcome: str) -> str:
    return "\n\n*Stopped.*" if outcome == "cancelled" else ""


def _refusal(row: UploadRow) -> str:
    return row["error"]["message"] if row["error"] else ""


if __name__ == "__main__":
    main()
