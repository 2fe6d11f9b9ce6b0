"""From a question and its passages to the messages that a language model gets."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from jinja2 import StrictUndefined, TemplateError, meta
from jinja2.sandbox import ImmutableSandboxedEnvironment

from rag_api.core.extracting import Comparison
from rag_api.core.hits import Passage
from rag_api.errors import InvalidSettings

_FENCE = re.compile(r"<(?=\s*/?\s*(?:passage|conversation))", re.IGNORECASE)
TITLES_NAMED = 3
# every template with the variables that it may and must use
TEMPLATES: Mapping[str, frozenset[str]] = {
    "answer.system.md": frozenset({"instructions"}),
    "answer.user.md": frozenset({"passages", "question"}),
    "condense.user.md": frozenset({"history", "question"}),
    "refusal.md": frozenset({"titles"}),
}


@dataclass(frozen=True, slots=True)
class PastTurn:
    """What was asked and answered earlier in a conversation."""

    question: str
    text: str


@dataclass(frozen=True, slots=True)
class Message:
    role: Literal["system", "user", "assistant"]
    text: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """The messages, and what they were rendered from for a model that needs no words around it."""

    messages: tuple[Message, ...]
    question: str
    passages: tuple[Passage, ...]
    comparison: Comparison | None = None


def version_of(text: str) -> str:
    """The first 12 hexadecimal digits of its SHA-256: another text, another version."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def fenced(text: str) -> str:
    """Text that can't end or begin a passage or a conversation, however it is written."""
    return _FENCE.sub("&lt;", text)


class Prompts:
    """The templates of `prompts/`, checked when made: each is there, and uses exactly its variables.

    `version` is of all of them together, `versions` of each.
    """

    def __init__(self, sources: Mapping[str, str]) -> None:
        environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
        environment.filters["fenced"] = fenced
        self._templates = {}
        self.versions = {name: version_of(text) for name, text in sources.items() if name in TEMPLATES}
        self.version = version_of("\n".join(f"{name} {version}" for name, version in sorted(self.versions.items())))
        for name, variables in TEMPLATES.items():
            if name not in sources:
                raise InvalidSettings(f"the prompt template {name} is missing; RAG_PROMPTS_DIR must hold it")
            try:
                used = meta.find_undeclared_variables(environment.parse(sources[name]))
                self._templates[name] = environment.from_string(sources[name])
            except TemplateError as error:
                raise InvalidSettings(f"the prompt template {name} can't be read: {error}") from error
            if used != variables:
                raise InvalidSettings(
                    f"the prompt template {name} uses {sorted(used)}, it must use exactly {sorted(variables)}"
                )

    def answer(
        self,
        question: str,
        passages: Sequence[Passage],
        *,
        instructions: str | None,
        history: Sequence[PastTurn] = (),
        standalone: str = "",
    ) -> Prompt:
        """`standalone` is the question without what it leans on in the history; unset: it leans on nothing."""
        past = (
            message for turn in history for message in (Message("user", turn.question), Message("assistant", turn.text))
        )
        messages = (
            Message("system", self._render("answer.system.md", instructions=instructions)),
            *past,
            Message("user", self._render("answer.user.md", question=question, passages=passages)),
        )
        return Prompt(messages, standalone or question, tuple(passages))

    def condense(self, question: str, history: Sequence[PastTurn]) -> Prompt:
        text = self._render("condense.user.md", question=question, history=history)
        return Prompt((Message("user", text),), question, ())

    def refusal(self, passages: Sequence[Passage] = ()) -> str:
        """One sentence that names the documents that came nearest."""
        titles = list(dict.fromkeys(passage.chunk.title or passage.chunk.source for passage in passages))
        return self._render("refusal.md", titles=titles[:TITLES_NAMED])

    def _render(self, name: str, **variables: Any) -> str:
        return self._templates[name].render(**variables).strip()
