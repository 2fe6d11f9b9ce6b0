"""From a question and its passages to the messages that a language model gets."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property, partial
from typing import Any, Literal

from jinja2 import StrictUndefined, Template, TemplateError, meta
from jinja2.sandbox import ImmutableSandboxedEnvironment

from rag_api.core.extracting import Comparison
from rag_api.core.fencing import attribute, fenced
from rag_api.core.hits import IndexedChunk, Passage
from rag_api.core.languages import LANGUAGES, guess_language
from rag_api.errors import InvalidPrompt

TITLES_NAMED = 3
OWN_KEPT = 64
# every template with the variables that it may and must use
TEMPLATES: Mapping[str, frozenset[str]] = {
    "answer.system.md": frozenset({"instructions"}),
    "answer.user.md": frozenset({"passages", "question"}),
    "condense.user.md": frozenset({"history", "question"}),
    "judge.user.md": frozenset({"passage", "sentence"}),
    "refusal.md": frozenset({"titles"}),
}
# what may be there, too, and is used for questions in that language
TRANSLATIONS: Mapping[str, frozenset[str]] = {
    f"refusal.{language}.md": TEMPLATES["refusal.md"] for language in LANGUAGES if language != "en"
}
ALL_TEMPLATES: Mapping[str, frozenset[str]] = {**TEMPLATES, **TRANSLATIONS}


@dataclass(frozen=True, slots=True)
class PastTurn:
    """What was asked and answered earlier in a conversation."""

    question: str
    text: str


@dataclass(frozen=True, slots=True)
class Message:
    role: Literal["system", "user", "assistant"]
    text: str


class Rendered:
    """Messages that can be made again, the same as before."""

    __slots__ = ("_made", "_make")

    def __init__(self, make: Callable[[], tuple[Message, ...]]) -> None:
        self._make = make
        self._made: tuple[Message, ...] | None = make()

    def messages(self) -> tuple[Message, ...]:
        if self._made is None:
            self._made = self._make()
        return self._made

    def let_go(self) -> None:
        self._made = None


@dataclass(frozen=True, slots=True)
class Prompt:
    """The messages, and what they were rendered from for a model that needs no words around it."""

    said: tuple[Message, ...] | Rendered
    question: str
    passages: tuple[Passage, ...]
    comparison: Comparison | None = None

    @property
    def messages(self) -> tuple[Message, ...]:
        return self.said.messages() if isinstance(self.said, Rendered) else self.said

    def let_go(self) -> None:
        """The messages are large, and the answer may be long in coming: what can be made again is let go of."""
        if isinstance(self.said, Rendered):
            self.said.let_go()


_FIELDS: Mapping[type, frozenset[str]] = {
    kind: frozenset(field.name for field in fields(kind)) for kind in (Passage, IndexedChunk, PastTurn)
}


class _Environment(ImmutableSandboxedEnvironment):
    """The fields of what templates are given are theirs to read, without the sandbox's look at each."""

    def getattr(self, obj: Any, attribute: str) -> Any:
        if attribute in _FIELDS.get(type(obj), ()):
            return getattr(obj, attribute)
        return super().getattr(obj, attribute)


def version_of(text: str) -> str:
    """The first 12 hexadecimal digits of its SHA-256: another text, another version."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


class Prompts:
    """The templates of `prompts/`, checked when made: each is there, uses exactly its variables, and can be rendered.

    `version` is of all of them together, `versions` of each. Raises InvalidPrompt.
    """

    def __init__(self, sources: Mapping[str, str]) -> None:
        environment = _Environment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
        environment.filters |= {"fenced": fenced, "attribute": attribute}
        environment.globals.clear()  # such as `range`: then they are variables that no template may use
        self.sources = {name: text for name, text in sources.items() if name in ALL_TEMPLATES}
        self.versions = {name: version_of(text) for name, text in self.sources.items()}
        self.version = version_of("\n".join(f"{name} {version}" for name, version in sorted(self.versions.items())))
        self._own: dict[tuple[tuple[str, str], ...], Prompts] = {}
        self._templates = {}
        for name, variables in ALL_TEMPLATES.items():
            if name in self.sources:
                self._templates[name] = _checked(environment, name, self.sources[name], variables)
            elif name in TEMPLATES:
                raise InvalidPrompt(f"the prompt template {name} is missing")

    def of(self, own: Mapping[str, str] | None) -> "Prompts":
        """With a collection's own templates in the place of these. Raises InvalidPrompt.

        Who words the refusal anew words it for all languages: translations of what it was are not used any more.
        """
        if not own:
            return self
        if unknown := sorted(own.keys() - ALL_TEMPLATES.keys()):
            raise InvalidPrompt(f"there is no prompt template {unknown[0]!r}; there are {', '.join(ALL_TEMPLATES)}")
        key = tuple(sorted(own.items()))
        if key not in self._own:
            dropped = TRANSLATIONS.keys() if "refusal.md" in own else ()
            made = Prompts({name: text for name, text in self.sources.items() if name not in dropped} | dict(own))
            while len(self._own) >= OWN_KEPT:
                del self._own[next(iter(self._own))]
            self._own[key] = made
        return self._own[key]

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
        passages = tuple(passages)
        rendered = Rendered(partial(self._answer, question, passages, instructions, history))
        return Prompt(rendered, standalone or question, passages)

    def _answer(
        self, question: str, passages: Sequence[Passage], instructions: str | None, history: Sequence[PastTurn]
    ) -> tuple[Message, ...]:
        past = (
            message
            for turn in history
            for message in (Message("user", fenced(turn.question)), Message("assistant", fenced(turn.text)))
        )
        system = self._render("answer.system.md", instructions=instructions) if instructions else self._uninstructed
        asked = self._render("answer.user.md", question=question, passages=passages)
        return Message("system", system), *past, Message("user", asked)

    @cached_property
    def _uninstructed(self) -> str:
        return self._render("answer.system.md", instructions=None)

    def condense(self, question: str, history: Sequence[PastTurn]) -> Prompt:
        text = self._render("condense.user.md", question=question, history=history)
        return Prompt((Message("user", text),), question, ())

    def judge(self, sentence: str, passage: Passage) -> Prompt:
        text = self._render("judge.user.md", sentence=sentence, passage=passage)
        return Prompt((Message("user", text),), sentence, ())

    def refusal(self, question: str, passages: Sequence[Passage] = ()) -> str:
        """One sentence, in the question's language if it can be told, that names the documents that came nearest."""
        titles = list(dict.fromkeys(passage.chunk.title or passage.chunk.source for passage in passages))
        translated = f"refusal.{guess_language(question)}.md"
        name = translated if translated in self._templates else "refusal.md"
        return self._render(name, titles=titles[:TITLES_NAMED])

    def _render(self, name: str, **variables: Any) -> str:
        return self._templates[name].render(**variables).strip()


def _checked(environment: ImmutableSandboxedEnvironment, name: str, text: str, variables: frozenset[str]) -> Template:
    """Raises InvalidPrompt."""
    try:
        used = meta.find_undeclared_variables(environment.parse(text))
        template = environment.from_string(text)
    except TemplateError as error:
        raise InvalidPrompt(f"the prompt template {name} can't be read: {error}") from error
    if used != variables:
        raise InvalidPrompt(f"the prompt template {name} uses {sorted(used)}, it must use exactly {sorted(variables)}")
    for values in (_LEAST, _MOST):
        try:
            template.render({variable: values[variable] for variable in variables})
        except Exception as error:  # it runs what somebody wrote
            raise InvalidPrompt(f"the prompt template {name} can't be rendered: {error}") from error
    return template


_CHUNK = IndexedChunk("doc:1:0", "doc", 1, 0, "A title", "a.txt", 1, "A section", 0, 5, "Text.", {})
# the least and the most that a template may meet in each variable
_LEAST: Mapping[str, Any] = {
    "instructions": None,
    "passages": (),
    "passage": Passage(1, _CHUNK, 1.0, None),
    "question": "Why?",
    "sentence": "So.",
    "history": (),
    "titles": [],
}
_MOST: Mapping[str, Any] = {
    **_LEAST,
    "instructions": "Be brief.",
    "passages": (Passage(1, _CHUNK, 1.0, 0.5), Passage(2, _CHUNK, 0.5, None)),
    "history": (PastTurn("Who?", "Nobody."),),
    "titles": ["A title", "Another title"],
}
