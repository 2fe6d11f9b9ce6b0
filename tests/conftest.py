"""What all tests share. In CI a skipped test fails the run, as CI has everything that tests want."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes import Backends, Service, start_backends

LONG = {"crash", "golden", "live", "pages", "web"}
EVAL = Path(__file__).parent.parent.parent / "shared" / "eval"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that start processes come first, so that no tester is alone with a long one at the end."""
    items.sort(key=lambda item: item.path.parent.name not in LONG)


def pytest_configure() -> None:
    """A shell that starts a run in the background has it ignore Ctrl-C, and processes of the tests would, too."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", []) if reporter else []
    if os.environ.get("CI") and skipped and exitstatus == 0:
        sys.stderr.write(f"\n{len(skipped)} tests were skipped, and CI skips none\n")
        session.exitstatus = 1


@pytest.fixture(scope="session")
def backends(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backends]:
    """One Chroma and one embedder for all tests; each test has a catalogue of its own."""
    with start_backends(tmp_path_factory.mktemp("backends")) as started:
        yield started


@pytest.fixture(scope="session")
def shared_service(backends: Backends, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """`rag serve` for all modules whose tests keep to collections of their own."""
    with Service.start(tmp_path_factory.mktemp("home"), backends.env) as started:
        yield started


@pytest.fixture(scope="module")
def service(
    request: pytest.FixtureRequest, backends: Backends, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """`rag serve` with no language model: the shared one in modules that say SHARES_SERVICE, else on a home that this
    module's tests share."""
    if getattr(request.module, "SHARES_SERVICE", False):
        yield request.getfixturevalue("shared_service")
        return
    with Service.start(tmp_path_factory.mktemp("home"), backends.env) as started:
        yield started
