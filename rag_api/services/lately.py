"""Ids of what happened lately."""

from collections import OrderedDict

REMEMBERED = 10_000


class Lately:
    """The latest `REMEMBERED` of them; earlier ones are forgotten."""

    def __init__(self) -> None:
        self._ids: OrderedDict[str, None] = OrderedDict()

    def __contains__(self, id_: str) -> bool:
        return id_ in self._ids

    def add(self, id_: str) -> None:
        self._ids[id_] = None
        if len(self._ids) > REMEMBERED:
            self._ids.popitem(last=False)
