"""Language models in order: where one fails, the next begins anew."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from rag_api.core.ports import LanguageModel, Piece, Sampling, Turn
from rag_api.core.prompts import Prompt
from rag_api.errors import LanguageModelError
from rag_api.telemetry import MODEL_TURNS, log


class FailingOverModel:
    """The turn to another model is told with its first piece, so a text is not taken back for nothing."""

    def __init__(self, models: Sequence[LanguageModel], *, quoting: LanguageModel | None = None) -> None:
        """`quoting` stands behind all of them and quotes sentences."""
        self._models = [*models, *([quoting] if quoting else [])]
        self._quoting = quoting
        self.name = models[0].name

    async def stream(self, prompt: Prompt, sampling: Sampling) -> AsyncGenerator[Piece, None]:
        failures: list[LanguageModelError] = []
        for i, model in enumerate(self._models):
            turn = self._turn(i, failures[-1]) if failures else None
            try:
                async with aclosing(model.stream(prompt, sampling)) as pieces:
                    async for piece in pieces:
                        if turn and (piece.text or piece.reasoning or piece.finish_reason):
                            yield Piece(turn=turn)
                            turn = None
                        yield piece
                return
            except LanguageModelError as error:
                failures.append(error)
                if model is not self._models[-1]:
                    MODEL_TURNS.labels(model.name, error.code).inc()
                log(__name__).warning("language model failed", model=model.name, reason=str(error))
        raise type(failures[0])("; and ".join(map(str, failures))) from failures[-1]

    def _turn(self, i: int, failure: LanguageModelError) -> Turn:
        reason = f"{self._models[i - 1].name} failed ({failure.code})"
        return Turn(self._models[i].name, reason, quotes=self._models[i] is self._quoting)
