"""Language models in order: where one fails, the next begins anew."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from rag_api.core.ports import LanguageModel, Piece, Sampling, Turn
from rag_api.core.prompts import Prompt
from rag_api.errors import LanguageModelError
from rag_api.telemetry import MODEL_TURNS, log


class FailingOverModel:
    """The turn to another model is told with its first piece, so a text is not taken back for nothing."""

    def __init__(self, models: Sequence[LanguageModel]) -> None:
        self._models = models
        self.name = models[0].name

    async def stream(self, prompt: Prompt, sampling: Sampling) -> AsyncGenerator[Piece, None]:
        failures: list[LanguageModelError] = []
        for i, model in enumerate(self._models):
            turn = Turn(model.name, f"{self._models[i - 1].name} failed ({failures[-1].code})") if failures else None
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
                MODEL_TURNS.labels(model.name, error.code).inc()
                log(__name__).warning("language model failed", model=model.name, reason=str(error))
        raise type(failures[0])("; and ".join(map(str, failures))) from failures[-1]
