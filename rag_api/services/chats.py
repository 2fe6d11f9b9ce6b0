"""Which answer is being given in a chat that a front end keeps."""

from weakref import WeakValueDictionary

from rag_api.services.runs import Run


class Chats:
    """Keeps no run alive: what the runs forget, a chat has forgotten, too."""

    def __init__(self) -> None:
        self._runs: WeakValueDictionary[tuple[str, str], Run] = WeakValueDictionary()

    def begin(self, owner: str, chat_id: str, run: Run) -> None:
        """The latest answer of a chat is the one that can be resumed. Each owner has chats of its own."""
        self._runs[owner, chat_id] = run

    def running(self, owner: str, chat_id: str) -> Run | None:
        run = self._runs.get((owner, chat_id))
        return run if run and not run.is_over and not run.is_redacted else None
