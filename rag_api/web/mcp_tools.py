"""MCP's tools: each takes checked arguments, and gives what a program reads beside what a language model reads."""

import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, TypeAlias

from mcp.server.context import ServerRequestContext
from pydantic import BaseModel

from rag_api.core.events import Retrieved, TextAppended
from rag_api.core.filters import parse_filter
from rag_api.core.principals import Principal
from rag_api.db.rows import DocumentRow
from rag_api.services.answerer import Ask
from rag_api.services.retriever import Search
from rag_api.services.runs import Run
from rag_api.web.document_schemas import DocumentOut
from rag_api.web.mcp import WHO
from rag_api.web.mcp_schemas import (
    AskArgs,
    AskOut,
    DocumentsOut,
    DocumentTextOut,
    FoundOut,
    GetDocumentArgs,
    HitOut,
    HitsOut,
    ListDocumentsArgs,
    ListedOut,
    SearchArgs,
    uri_of,
)
from rag_api.wiring import Services

TELL_S = 0.25  # between two notifications of progress
Context: TypeAlias = ServerRequestContext[Any, Any]


class AnswerFailed(Exception):
    """The run ended with an error, which is known by code and sentence only."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Result:
    """`value` for programs, `text` for a language model."""

    value: BaseModel
    text: str


@dataclass(frozen=True, slots=True)
class ToolKind:
    title: str
    description: str
    takes: type[BaseModel]
    gives: type[BaseModel]
    call: Callable[[Services, Any, Context], Awaitable[Result]]


def who_asks(context: Context) -> Principal:
    assert context.request is not None
    who: Principal = context.request.scope[WHO]
    return who


async def search(services: Services, args: SearchArgs, context: Context) -> Result:
    who = who_asks(context)
    await services.door.visibility.admit(who, {"collection": args.collection})
    wanted = Search(args.query, args.top_k, args.mode, parse_filter(args.filter), groups=who.groups)
    found = await services.retriever.search(args.collection, wanted)
    hits = [HitOut.of(args.collection, hit) for hit in found.hits]
    parts = [f"{hit.rank}. {_place(hit)} (score {hit.score:.2f})\n{hit.text}" for hit in hits]
    parts += [f"Could not be asked: {', '.join(found.degraded)}"] if found.degraded else []
    return Result(HitsOut(hits=hits, degraded=list(found.degraded)), "\n\n".join(parts) or "Nothing was found.")


async def ask(services: Services, args: AskArgs, context: Context) -> Result:
    """Who cancels the call, or leaves, has stopped the answer."""
    run = await services.answerer.answer(
        Ask(
            question=args.question,
            collection=args.collection,
            who=who_asks(context),
            top_k=args.top_k,
            filter=parse_filter(args.filter),
            instructions=args.instructions,
        )
    )
    try:
        await _tell(run, context)
    finally:
        services.runs.left(run, lingers=False)
    answer = run.answer()
    if answer.error:
        raise AnswerFailed(answer.error.code, answer.error.message)
    value = AskOut.of(answer)
    return Result(value, "\n\n".join([answer.text, *_sources(value)]))


async def list_documents(services: Services, args: ListDocumentsArgs, context: Context) -> Result:
    page = await services.library.documents(
        args.collection, status=args.status, limit=args.limit, cursor=args.cursor, who=who_asks(context)
    )
    listed = [listed_out(args.collection, row) for row in page.items]
    lines = [_line(document) for document in listed] or ["There are no documents."]
    lines += [f"More with cursor {page.next_cursor!r}."] if page.next_cursor else []
    return Result(DocumentsOut(documents=listed, next_cursor=page.next_cursor), "\n".join(lines))


async def get_document(services: Services, args: GetDocumentArgs, context: Context) -> Result:
    named = {"collection": args.collection, "document_id": args.document_id}
    await services.door.visibility.admit(who_asks(context), named)
    row = await services.library.document(args.collection, args.document_id)
    whole = await services.library.content(args.collection, args.document_id, row.version)
    text = whole[args.start : args.start + args.length]
    document, end = listed_out(args.collection, row), args.start + len(text)
    value = DocumentTextOut(document=document, start=args.start, end=end, length=len(whole), text=text)
    head = f"{_line(document)}\nCharacters {args.start} to {end} of {len(whole)}:"
    return Result(value, f"{head}\n\n{text}")


def listed_out(collection: str, row: DocumentRow) -> ListedOut:
    return ListedOut(uri=uri_of(collection, row.document_id), **DocumentOut.of(row).model_dump())


async def _tell(run: Run, context: Context) -> None:
    """Waits for the end; says meanwhile how far the answer is, which goes nowhere unless the client asked for it."""
    said, told, told_at, chars = "searching", "", 0.0, 0
    async with aclosing(run.follow()) as batches:
        async for batch in batches:
            for logged in batch:
                if isinstance(logged.event, Retrieved):
                    said = f"{len(logged.event.passages)} passages were found"
                elif isinstance(logged.event, TextAppended):
                    chars += len(logged.event.text)
                    said = f"{chars} characters are written"
            if said != told and time.monotonic() - told_at >= TELL_S:
                told, told_at = said, time.monotonic() if chars else 0.0
                await context.session.report_progress(batch[-1].seq, message=said)


def _sources(answer: AskOut) -> list[str]:
    first = {cited.n: cited for cited in reversed(answer.citations)}
    return [f"[{n}] {_place(cited)} ({cited.verdict}): “{cited.quote}”" for n, cited in sorted(first.items())]


def _place(found: FoundOut) -> str:
    page = f"p. {found.page}" if found.page else ""
    named = found.title if found.title == found.source else f"{found.title} ({found.source})"
    return ", ".join(part for part in (named, page, found.section) if part) + f" <{found.uri}>"


def _line(document: ListedOut) -> str:
    state = f"{document.chunks} chunks" if document.status == "ready" else document.status
    return f"{document.document_id}: {document.title} ({document.source}), {state} <{document.uri}>"


TOOLS = {
    "search": ToolKind(
        "Search documents",
        "Finds the passages of the documents that are nearest to a question or some words, with where they stand.",
        SearchArgs,
        HitsOut,
        search,
    ),
    "ask": ToolKind(
        "Ask the documents",
        "Answers a question from the documents alone, with numbered citations and whether each bears what it is cited "
        "for. Says so when the documents do not hold the answer.",
        AskArgs,
        AskOut,
        ask,
    ),
    "list_documents": ToolKind(
        "List documents", "The documents of a collection, a page at a time.", ListDocumentsArgs, DocumentsOut,
        list_documents,
    ),
    "get_document": ToolKind(
        "Read a document",
        "A document's text from one character on, as much at a time as wished, and what is known of the document.",
        GetDocumentArgs,
        DocumentTextOut,
        get_document,
    ),
}  # fmt: skip
