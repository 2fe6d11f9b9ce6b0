"""Which attachment of a mail is being read, so that one which costs the process can be passed over by the next one."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count

from ingest.errors import IngestError

MOST_LOST = 3


def reason_of(error: IngestError) -> str:
    """Its code in words."""
    return error.code.replace("_", " ")


@dataclass
class Attachments:
    """Of one mail, with those of the mails in it; they are counted in the order in which they are come upon.

    `lost`: why those that cost a process are not to be read again. After MOST_LOST of them none is read. `on_open` is
    told the place of the one that is being read, None for none.
    """

    lost: Mapping[int, str] = field(default_factory=dict)
    on_open: Callable[[int | None], None] = lambda _: None
    _places: Iterator[int] = field(default_factory=count)
    _open: int | None = None

    def of_another(self) -> "Attachments":
        return Attachments(on_open=self.on_open)

    @contextmanager
    def reading(self) -> Iterator[str]:
        """Why the next one must not be read, nothing if it may be."""
        place, around = next(self._places), self._open
        if place in self.lost:
            yield self.lost[place]
        elif len(self.lost) >= MOST_LOST and place > max(self.lost):
            yield f"{MOST_LOST} before it could not be"
        else:
            self._tell(place)
            yield ""
            self._tell(around)  # not after an exception: what nobody expects ends the process

    def _tell(self, place: int | None) -> None:
        self._open = place
        self.on_open(place)
