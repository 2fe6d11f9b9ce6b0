"""What the measurements share."""

import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def percentiles(seconds: Sequence[float]) -> dict[str, float]:
    ordered = sorted(1000 * value for value in seconds)
    return {"p50_ms": round(statistics.median(ordered), 1), "p99_ms": round(ordered[int(0.99 * len(ordered))], 1)}
