"""What a job's row will say at the next tick."""

from dataclasses import dataclass, field
from typing import Any

from ingest.errors import IngestError

MAX_FAILURES_LISTED = 1_000


@dataclass(eq=False, slots=True)
class Progress:
    values: dict[str, Any] = field(default_factory=dict)
    failures: list[dict[str, Any]] = field(default_factory=list)
    changed: bool = False

    def add(self, **counts: int) -> None:
        for name, count in counts.items():
            self.values[name] = self.values.get(name, 0) + count
        self.changed = True

    def set(self, **values: Any) -> None:
        self.values |= values
        self.changed = True

    def stage(self, name: str) -> None:
        self.set(stage=name)

    def failed(self, source: str, error: IngestError) -> None:
        if len(self.failures) < MAX_FAILURES_LISTED:
            self.failures.append({"source": source, "error": {"code": error.code, "message": str(error)}})
            self.values["failures"] = list(self.failures)
        self.changed = True
