"""The folder that holds everything: who owns it, and where its server is."""

import fcntl
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson

from rag_api.errors import HomeInUse, HomeNotWritable

LOCK_WAIT_S = 15.0
POLL_S = 0.1


@dataclass(frozen=True, slots=True)
class Serving:
    """What the home's owner says of itself; an empty `url` while it is starting or does not serve."""

    pid: int
    url: str


@contextmanager
def own_home(home: Path, *, wait_s: float = LOCK_WAIT_S) -> Iterator[None]:
    """Exclusively, until the end of the block or of the process. Raises HomeInUse, HomeNotWritable.

    Children do not inherit the lock, so a child that outlives its supervisor does not keep the home.
    """
    make_home(home)
    descriptor = os.open(home / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        deadline = time.monotonic() + wait_s
        while not _locked(descriptor):
            if time.monotonic() > deadline:
                owner = serving(home)
                who = f"process {owner.pid} at {owner.url}" if owner else "another process"
                raise HomeInUse(
                    f"the home {home.absolute()} is in use by {who}; stop that one or choose another RAG_HOME"
                )
            time.sleep(POLL_S)
        announce(home, "")
        yield
    finally:
        os.close(descriptor)


def is_owned(home: Path) -> bool:
    """Whether a process owns the home now."""
    try:
        descriptor = os.open(home / "lock", os.O_RDWR)
    except (FileNotFoundError, PermissionError, NotADirectoryError):
        return False
    try:
        return not _locked(descriptor)
    finally:
        os.close(descriptor)


def make_home(home: Path) -> None:
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)  # it holds the text of every document
        (home / "run").mkdir(exist_ok=True)
        probe = home / "run" / "probe"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise HomeNotWritable(
            f"the home {home.absolute()} can't be written to ({error.strerror}); correct its permissions or RAG_HOME"
        ) from error


def announce(home: Path, url: str) -> None:
    partial = home / "run" / "server.partial"
    partial.write_bytes(orjson.dumps(asdict(Serving(os.getpid(), url))))
    partial.replace(home / "run" / "server.json")


@contextmanager
def command_key_kept(home: Path) -> Iterator[None]:
    """A key for the commands of whoever may read the home, who may read all that is in it anyway."""
    partial = home / "run" / "key.partial"
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_urlsafe(32))
    partial.replace(home / "run" / "key")
    try:
        yield
    finally:
        (home / "run" / "key").unlink(missing_ok=True)


def command_key(home: Path) -> str:
    """Empty where nothing is served, or the home is another user's."""
    with suppress(OSError):
        return (home / "run" / "key").read_text("ascii")
    return ""


def serving(home: Path) -> Serving | None:
    with suppress(OSError, orjson.JSONDecodeError, TypeError):
        return Serving(**orjson.loads((home / "run" / "server.json").read_bytes()))
    return None


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
