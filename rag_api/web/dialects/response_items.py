"""The objects of OpenAI's responses."""

from collections.abc import Sequence
from typing import Any, TypeAlias

from rag_api.core.events import Answer, Citation
from rag_api.core.hits import Passage
from rag_api.web.dialects.openai import Reply, is_cut, usage

Json: TypeAlias = dict[str, Any]


def response(reply: Reply, answer: Answer, *, with_results: bool, message: int = 1) -> Json:
    """`message`: how many were begun; the last one counts."""
    status, incomplete = _status(answer)
    output: list[Json] = []
    if answer.passages or answer.text or answer.outcome:
        output.append(search_item(reply, answer.question, answer.passages, with_results=with_results))
    if answer.reasoning:
        output.append(reasoning_item(reply, message, "completed", answer.reasoning))
    if answer.text or status == "completed":
        ended = status if status in ("completed", "in_progress") else "incomplete"
        output.append(message_item(reply, message, ended, answer.text))
        found = [file_citation(citation, answer.passages) for citation in answer.citations]
        output[-1]["content"][0]["annotations"] = found
    error = {"code": answer.error.code, "message": answer.error.message} if answer.error else None
    return {
        "id": f"resp_{reply.answer_id}",
        "object": "response",
        "created_at": reply.created,
        "status": status,
        "error": error,
        "incomplete_details": {"reason": incomplete} if incomplete else None,
        "model": reply.model,
        "output": output if answer.outcome else [],
        "usage": _usage(answer) if answer.outcome else None,
        "instructions": None,
        "metadata": {},
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "store": False,
        "temperature": None,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_p": None,
        "truncation": "disabled",
    }


def search_item(reply: Reply, question: str, passages: Sequence[Passage], *, with_results: bool) -> Json:
    results = [
        {
            "file_id": passage.chunk.document_id,
            "filename": passage.chunk.source,
            "score": min(max(passage.score, 0.0), 1.0),
            "text": passage.chunk.text,
            "attributes": {},
        }
        for passage in passages
    ]
    return {
        "id": f"fs_{reply.answer_id}",
        "type": "file_search_call",
        "status": "completed",
        "queries": [question],
        "results": results if with_results else None,
    }


def message_item(reply: Reply, number: int, status: str, text: str = "") -> Json:
    part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    id_ = f"msg_{reply.answer_id}" + (f"_{number}" if number > 1 else "")
    return {"id": id_, "type": "message", "status": status, "role": "assistant", "content": [part]}


def reasoning_item(reply: Reply, number: int, status: str, text: str = "") -> Json:
    part = {"type": "reasoning_text", "text": text}
    id_ = f"rs_{reply.answer_id}" + (f"_{number}" if number > 1 else "")
    return {"id": id_, "type": "reasoning", "status": status, "summary": [], "content": [part]}


def file_citation(citation: Citation, passages: Sequence[Passage]) -> Json:
    """`index` is where the cited part of the answer ends."""
    filename = passages[citation.n - 1].chunk.source
    index = citation.answer_end
    return {"type": "file_citation", "index": index, "file_id": citation.document_id, "filename": filename}


def _status(answer: Answer) -> tuple[str, str | None]:
    """And why it is not whole."""
    if answer.outcome is None:
        return "in_progress", None
    if answer.outcome in ("failed", "cancelled"):
        return answer.outcome, None
    return ("incomplete", "max_output_tokens") if is_cut(answer.finish_reason) else ("completed", None)


def _usage(answer: Answer) -> Json:
    spent = usage(answer.usage)
    return {
        "input_tokens": spent["prompt_tokens"],
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": spent["completion_tokens"],
        "output_tokens_details": spent["completion_tokens_details"],
        "total_tokens": spent["total_tokens"],
    }
