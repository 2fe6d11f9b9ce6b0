"""The same for the wires that are not ours: their own documents say the rest."""

from collections.abc import Mapping
from typing import Any

from rag_api.web.openapi.values import ANSWER, ANSWER_ID, QUESTION, SENTENCE, SOURCE

JSON = "application/json"
_TEXT = f"{SENTENCE} [1]"
_MODEL = {"id": "rag:handbook", "object": "model", "created": 0, "owned_by": "rag"}
_SAID = {"id": "m1", "role": "user", "parts": [{"type": "text", "text": QUESTION}]}
_CITED = {"type": "file_citation", "index": 61, "file_id": ANSWER["citations"][0]["document_id"], "filename": SOURCE}

WIRE_BODIES: Mapping[tuple[str, str], Any] = {
    ("POST /v1/chat/completions", JSON): {
        "model": "rag:handbook",
        "messages": [{"role": "user", "content": QUESTION}],
        "stream": True,
    },
    ("POST /v1/responses", JSON): {"model": "rag:handbook", "input": QUESTION},
    ("POST /v1/embeddings", JSON): {"model": "rag", "input": [QUESTION]},
    ("POST /api/chat", JSON): {"id": "chat-1", "messages": [_SAID], "collection": "handbook"},
    ("POST /api/ag-ui", JSON): {
        "threadId": "t1",
        "runId": "r1",
        "messages": [{"id": "m1", "role": "user", "content": QUESTION}],
        "forwardedProps": {"collection": "handbook"},
    },
}
WIRE_REPLIES: Mapping[str, tuple[str, Any]] = {
    "GET /v1/models": (JSON, {"object": "list", "data": [_MODEL]}),
    "GET /v1/models/{model}": (JSON, _MODEL),
    "POST /v1/chat/completions": (
        JSON,
        {
            "id": f"chatcmpl-{ANSWER_ID}",
            "object": "chat.completion",
            "created": 1_740_819_600,
            "model": "rag:handbook",
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": _TEXT, "annotations": []},
                    "finish_reason": "stop",
                }
            ],
        },
    ),
    "POST /v1/responses": (
        JSON,
        {
            "id": f"resp_{ANSWER_ID}",
            "object": "response",
            "status": "completed",
            "model": "rag:handbook",
            "output": [
                {"type": "file_search_call", "status": "completed", "queries": [QUESTION]},
                {
                    "type": "message",
                    "role": "assistant",
                    "content": [{"type": "output_text", "text": _TEXT, "annotations": [_CITED]}],
                },
            ],
        },
    ),
    "POST /v1/embeddings": (
        JSON,
        {"object": "list", "data": [{"object": "embedding", "index": 0, "embedding": [-0.0054, 0.1004]}]},
    ),
    "POST /api/chat/{chat_id}/stop": (JSON, ANSWER | {"outcome": "cancelled"}),
}
_DELTA = f'{{"type":"text-delta","id":"text-1","delta":"{_TEXT}"}}'
WIRE_STREAMS: Mapping[str, tuple[tuple[str, ...], str]] = {
    "POST /v1/chat/completions": (
        (),
        f'data: {{"object":"chat.completion.chunk","choices":[{{"index":0,"delta":{{"content":"{_TEXT}"}}}}]}}\n\n',
    ),
    "POST /v1/responses": (
        (),
        f'event: response.output_text.delta\ndata: {{"type":"response.output_text.delta","delta":"{_TEXT}"}}\n\n',
    ),
    "POST /api/chat": ((), f"data: {_DELTA}\n\n"),
    "GET /api/chat/{chat_id}/stream": ((), f"data: {_DELTA}\n\n"),
    "POST /api/ag-ui": ((), f'data: {{"type":"TEXT_MESSAGE_CONTENT","messageId":"a1","delta":"{_TEXT}"}}\n\n'),
}
