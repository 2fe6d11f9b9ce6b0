"""Parts what a model thinks aloud from what it answers, in text that arrives in pieces. Pure.

Some servers leave the reasoning of a model in its text, between `<think>` and `</think>` at the very beginning.
Law: cutting the same text anywhere gives the same reasoning and the same text.
"""

OPENING, CLOSING = "<think>", "</think>"


class ThinkingParter:
    def __init__(self) -> None:
        self._held = ""
        self._part = self._begin

    def feed(self, piece: str) -> tuple[str, str]:
        """The reasoning and the text that are certain now."""
        self._held += piece
        return self._part()

    def finish(self) -> tuple[str, str]:
        """What was held back, which has become no mark."""
        held, self._held = self._held, ""
        return (held, "") if self._part == self._think else ("", held)

    def _begin(self) -> tuple[str, str]:
        seen = self._held.lstrip()
        if seen.startswith(OPENING):
            self._held, self._part = seen[len(OPENING) :], self._think
            return self._think()
        if OPENING.startswith(seen):
            return "", ""
        self._part = self._answer
        return self._answer()

    def _think(self) -> tuple[str, str]:
        reasoning, closing, rest = self._held.partition(CLOSING)
        if not closing:
            kept = _begun(reasoning)
            self._held = reasoning[len(reasoning) - kept :]
            return reasoning[: len(reasoning) - kept], ""
        self._held, self._part = rest, self._pause
        return reasoning, self._pause()[1]

    def _pause(self) -> tuple[str, str]:
        """White space between the reasoning and the answer belongs to neither."""
        self._held = self._held.lstrip()
        if not self._held:
            return "", ""
        self._part = self._answer
        return self._answer()

    def _answer(self) -> tuple[str, str]:
        text, self._held = self._held, ""
        return "", text


def _begun(text: str) -> int:
    """How many characters at the end may be the beginning of the closing mark."""
    return next((size for size in range(len(CLOSING) - 1, 0, -1) if text.endswith(CLOSING[:size])), 0)
