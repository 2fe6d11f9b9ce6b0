"""How long to wait before a language model is asked again. Pure: whoever asks brings the time and the chance."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

FACTOR = 2.0


@dataclass(frozen=True, slots=True)
class Retries:
    """At most `count` after the first try, after `first_s` at first and up to `most_s`.

    `asked_most_s`: how much of the wait that a server asks for is waited; more is not waited at all by one that is
    `in_haste`, as another model stands by.
    """

    count: int
    asked_most_s: float
    in_haste: bool = False
    first_s: float = 0.5
    most_s: float = 8.0

    def pause_s(self, retry: int, *, asked_s: float | None, chance: float) -> float | None:
        """Before retry number `retry`, from 1; None: no more. `chance`, 0 to 1, parts callers that failed together."""
        if retry > self.count:
            return None
        if asked_s is not None and asked_s > self.asked_most_s and self.in_haste:
            return None
        backoff_s = min(self.most_s, self.first_s * FACTOR ** (retry - 1))
        if asked_s is None:
            return backoff_s * (0.5 + 0.5 * chance)
        return min(asked_s, self.asked_most_s) + self.first_s * 0.5 * chance


def retry_after_s(headers: Mapping[str, str], now: datetime) -> float | None:
    """The seconds that a reply asks to wait, by `Retry-After` (seconds or a date) or `retry-after-ms`."""
    seconds = _number(headers.get("retry-after-ms"))
    if seconds is not None:
        return seconds / 1000
    value = headers.get("retry-after", "").strip()
    seconds = _number(value)
    if seconds is not None or not value:
        return seconds
    try:
        at = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, (at.replace(tzinfo=at.tzinfo or UTC) - now).total_seconds())


def _number(value: str | None) -> float | None:
    digits = (value or "").strip()
    return float(digits) if digits.replace(".", "", 1).isdecimal() and digits.isascii() else None
