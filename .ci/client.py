"""Writes rag_api/client.py, the blocking twin of rag_api/async_client.py; with --check, says whether it is that."""

import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent.parent / "rag_api"
RULES = (
    (r"\basync (def|with|for) ", r"\1 "),
    (r"\bawait ", ""),
    (r"\bAsyncGenerator\[(\w+), None\]", r"Generator[\1, None, None]"),
    (r"\bAsyncGenerator\b", "Generator"),
    (r"\bAsyncClient\b", "Client"),
    (r"\b__a(enter|exit)__\b", r"__\1__"),
    (r"\ba(close|read|iter_bytes)\b", r"\1"),
    (r"\basyncio\b", "time"),
    (r'"""A client of', '"""A blocking client of'),
)


def made_of(text: str) -> str:
    return subprocess.run(["ruff", "format", "-"], input=_twin(text), check=True, capture_output=True, text=True).stdout


def _twin(text: str) -> str:
    for pattern, twin in RULES:
        text = re.sub(pattern, twin, text)
    text = re.sub(r"for (\w+) in (.+):\n\s+yield \1\n", r"yield from \2\n", text)
    return re.sub(r"\((self\._(?:call|send)\([^()]*(?:\([^()]*\))*[^()]*\))\)(?=[.\[])", r"\1", text)


if __name__ == "__main__":
    twin, path = made_of((HERE / "async_client.py").read_text("utf-8")), HERE / "client.py"
    if "--check" in sys.argv:
        sys.exit(None if path.read_text("utf-8") == twin else "rag_api/client.py is not as make client writes it")
    path.write_text(twin, "utf-8")
