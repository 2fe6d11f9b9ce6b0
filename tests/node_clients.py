"""Node with the packages of tests/node, for the clients that are written for it."""

import fcntl
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parent / "node"
RUN_S = 60
INSTALL_S = 100


def need_node() -> None:
    """Installs the locked packages where they are not; without npm the test is skipped."""
    if not shutil.which("npm") or not shutil.which("node"):
        pytest.skip("npm is not installed: the clients for Node can't be tried")
    locked, installed = FOLDER / "package-lock.json", FOLDER / "node_modules" / ".package-lock.json"
    with (FOLDER / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another process may run tests, too
        if not installed.exists() or installed.stat().st_mtime < locked.stat().st_mtime:
            command = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
            subprocess.run(command, cwd=FOLDER, check=True, capture_output=True, timeout=INSTALL_S)
            installed.touch()


def run_node(script: str, *args: str, stdin: str = "") -> Any:
    """What the script writes, which is JSON."""
    command = ["node", str(FOLDER / script), *args]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=RUN_S, cwd=FOLDER)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)
