"""Ingestion beside other systems in one run: rounds of the peers' harness, each system once a round.

FOLDER is a copy of that harness, set up as its README says: `bench/`, one environment a system in `v/`, `corpus/`.
The ratio is this project's tokens/s to the fastest other's, round by round; `foreign` is the processor time in
seconds that strangers took meanwhile: where it is not small beside the wall time, the round says little.
"""

import json
import os
import statistics
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

NO_PEERS = ("project", "floors")


def systems(folder: Path) -> list[str]:
    peers = sorted(path.name for path in (folder / "v").iterdir() if path.name not in NO_PEERS)
    return ["project", *peers]


def one_round(folder: Path, names: Sequence[str], documents: int) -> dict[str, dict[str, Any]]:
    """What each system's ingestion came to; raises where one failed."""
    harness = [str(folder / "v/floors/bin/python"), str(folder / "bench/run.py"), "--systems", ",".join(names)]
    env = {name: value for name, value in os.environ.items() if not name.startswith("RAG_")}
    with tempfile.TemporaryDirectory() as out:
        command = [*harness, "--scenarios", "ingest", "--docs", str(documents), "--out", out]
        subprocess.run(command, env=env, cwd=folder, check=True, stdout=subprocess.DEVNULL)
        [written] = Path(out).glob("run-*.json")
        results = json.loads(written.read_text("utf-8"))["results"]
    broken = {name: results.get(name) for name in names if results.get(name, {}).get("ingest", {}).get("errors") != 0}
    if broken:
        raise RuntimeError(f"the harness could not ingest with {broken}; its logs are in {folder / 'work'}")
    return {name: results[name]["ingest"] for name in names}


def compare(say: Callable[[str, dict[str, Any]], None], folder: Path, *, rounds: int, documents: int) -> None:
    names = systems(folder)
    done = [one_round(folder, names, documents) for _ in range(rounds)]
    for name in names:
        rates = [results[name]["tok_s"] for results in done]
        foreign = [results[name]["foreign_cpu_s"] for results in done]
        took = [results[name]["s"] for results in done]
        say(
            f"ingestion, {name}", {"tokens_a_s": statistics.median(rates), "runs": rates, "s": took, "foreign": foreign}
        )
    ratios = [
        round(results["project"]["tok_s"] / max(results[name]["tok_s"] for name in names[1:]), 2) for results in done
    ]
    say("ingestion, project ÷ fastest peer", {"ratio": statistics.median(ratios), "runs": ratios})
