"""What a client that keeps its conversation itself says in its messages, in any of the dialects."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rag_api.core.citing import without_markers
from rag_api.core.prompts import PastTurn
from rag_api.errors import InvalidParameter

QUESTION_CHARS = 20_000
INSTRUCTION_ROLES = ("system", "developer")
SILENT_ROLES = ("tool", "function", "activity", "reasoning")  # of no use to an answer from documents
TEXT_PARTS = ("text", "input_text", "output_text")
OTHER_INPUT = ("image", "audio", "video", "document", "file", "binary")
VOID = "data-reset"  # the part that says of the text before it that it was taken back


@dataclass(frozen=True, slots=True)
class Dialogue:
    """The last question, the turns before it, and what the client adds to the system prompt."""

    question: str
    turns: tuple[PastTurn, ...] = ()
    instructions: str | None = None


def read(messages: Sequence[Mapping[str, Any]], *, instructions: str | None = None) -> Dialogue:
    """What one side says in several messages in a row is one; an answer without text did not come about.

    Raises InvalidParameter, which names the part that can't be read.
    """
    rules = [instructions] if instructions else []
    turns: list[PastTurn] = []
    asked: list[str] = []
    for i, message in enumerate(messages):
        role, text = message.get("role"), text_of(message, f"messages.{i}")
        if role in INSTRUCTION_ROLES:
            rules += [text] if text else []
        elif role == "user":
            asked += [text] if text.strip() else []
        elif role == "assistant":
            if asked and text.strip():
                turns.append(PastTurn("\n\n".join(asked), without_markers(text)))
            asked = []
        elif role not in SILENT_ROLES:
            raise InvalidParameter(f"messages.{i}.role", f"{role!r} is no role: use system, user or assistant")
    if not asked:
        raise InvalidParameter("messages", "the last message must be the user's, with a question in it")
    question, added = "\n\n".join(asked), "\n\n".join(rules)
    for name, said in (("the question", question), ("what is added to the system prompt", added)):
        if len(said) > QUESTION_CHARS:
            raise InvalidParameter("messages", f"{name} may have {QUESTION_CHARS:,} characters, not {len(said):,}")
    return Dialogue(question, tuple(turns), added or None)


def text_of(message: Mapping[str, Any], at: str) -> str:
    """The text of a message whose content is one, or parts; parts of the user's that are no text are refused."""
    content = message.get("content")
    name = "content" if content is not None else "parts"
    content = content if content is not None else message.get("parts")
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise InvalidParameter(f"{at}.{name}", "content is a text or a list of parts")
    texts: list[str] = []
    for i, part in enumerate(content):
        kind = part.get("type", "") if isinstance(part, Mapping) else ""
        if kind in TEXT_PARTS and isinstance(part.get("text"), str):
            texts.append(part["text"])
        elif kind == VOID:
            texts.clear()
        elif message.get("role") == "user" and any(other in kind for other in OTHER_INPUT):
            raise InvalidParameter(f"{at}.{name}.{i}", f"this server reads text, not {kind!r}: leave it out")
    return "\n\n".join(texts)
