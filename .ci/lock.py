"""Writes requirements.lock and requirements-dev.lock: every package with its version and hashes, torch left out.

torch comes first and on its own (see the Makefile): its CPU build has other dependencies than its GPU build, and
neither the one's nor the other's belong into the lock.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

TORCH = "torch==2.13.0"
NOT_LOCKED = re.compile(r"(torch|triton|nvidia-|cuda-)")


def compile_lock(output: Path, *extra: str) -> None:
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as constraint:
        constraint.write(TORCH)
        constraint.flush()
        command = ["uv", "pip", "compile", "--universal", "--generate-hashes", "--no-header", "--no-annotate", "-q",
                   "--python-version", "3.11", "-c", constraint.name, "pyproject.toml", *extra]  # fmt: skip
        found = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    blocks = re.split(r"\n(?=\S)", found.rstrip("\n"))
    kept = [block for block in blocks if not NOT_LOCKED.match(block)]
    output.write_text("\n".join(kept) + "\n", "utf-8")
    sys.stdout.write(f"{output}: {len(kept)} packages\n")


if __name__ == "__main__":
    compile_lock(Path("requirements.lock"))
    compile_lock(Path("requirements-dev.lock"), "--extra", "dev", "--extra", "ui")
