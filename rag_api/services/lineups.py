"""Who may answer: the language models that a question can name, each with those that follow when it fails."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from rag_api.core.packing import Window
from rag_api.core.ports import LanguageModel
from rag_api.errors import InvalidRequest

Kind: TypeAlias = Literal["extractive", "chat_completions", "anthropic"]


@dataclass(frozen=True, slots=True)
class Lineup:
    """`model` goes by the name of the first. `window` None: it quotes sentences, so the gate alone decides whether it
    speaks."""

    kind: Kind
    model: LanguageModel
    window: Window | None

    @property
    def name(self) -> str:
        return self.model.name

    @property
    def quotes(self) -> bool:
        return self.window is None


class Lineups:
    def __init__(self, lineups: Sequence[Lineup]) -> None:
        """The first answers unless a question names another. Of those with one name the first counts."""
        self._by_name: dict[str, Lineup] = {}
        for lineup in lineups:
            self._by_name.setdefault(lineup.name, lineup)

    @property
    def all(self) -> list[Lineup]:
        return list(self._by_name.values())

    @property
    def default(self) -> Lineup:
        return self.all[0]

    @property
    def writer(self) -> LanguageModel | None:
        """Who writes other words than answers; None where all answers are quotations."""
        return None if self.default.quotes else self.default.model

    def of(self, name: str | None) -> Lineup:
        if name is None:
            return self.default
        if name not in self._by_name:
            known = ", ".join(map(repr, self._by_name))
            raise InvalidRequest(f"model: {name!r} does not answer here; name one of {known}, or leave it out")
        return self._by_name[name]
