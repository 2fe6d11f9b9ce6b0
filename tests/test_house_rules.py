"""The house, kept by tests: a rule without a check is a wish."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Collection, Sequence
from functools import cache
from pathlib import Path

import pytest

from ingest.errors import all_errors
from rag_api import cli, errors
from rag_api.settings import setting_names
from rag_api.web.errors import STATUS, status_of, status_of_code
from tests.processes import BIN, ROOT

SOURCES = sorted([*(ROOT / "ingest").rglob("*.py"), *(ROOT / "rag_api").rglob("*.py")])
LONGEST = 250
LONGEST_FUNCTION = 40
FRAMEWORKS = {"fastapi", "sse_starlette"}
HEAVY = {"torch", "transformers", "sentence_transformers", "chromadb"}
SERVICE = {"aiohttp", "alembic", "fastapi", "numpy", "rag_api.supervise", "rag_api.wiring", "sqlalchemy"}
SELDOM = {"alembic", "mcp", "tokenizers"}
MAINS = {"app.py", "cli.py", "worker.py", "embedder.py", "supervise.py", "__main__.py"}


def names(path: Path) -> str:
    return str(path.relative_to(ROOT))


@cache
def nodes(path: Path) -> Sequence[ast.AST]:
    return list(ast.walk(ast.parse(path.read_text("utf-8"))))


@cache
def imports(path: Path) -> Collection[str]:
    found: set[str] = set()
    for node in nodes(path):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


@pytest.mark.parametrize("path", SOURCES, ids=names)
def test_a_file_is_short_or_says_why_not(path: Path) -> None:
    text = path.read_text("utf-8")
    if "migrations" in path.parts or "longer than the others because" in text[:1500]:
        return
    assert text.count("\n") <= LONGEST


@pytest.mark.parametrize("path", SOURCES, ids=names)
def test_a_function_is_short(path: Path) -> None:
    for node in nodes(path):
        if (
            isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            and node.end_lineno
            and "migrations" not in path.parts
        ):
            assert node.end_lineno - node.lineno + 1 <= LONGEST_FUNCTION + 10, f"{node.name} is too long"


@pytest.mark.parametrize("path", SOURCES, ids=names)
def test_only_the_web_folder_and_the_mains_know_the_framework(path: Path) -> None:
    if path.parent.name != "web" and path.name not in MAINS:
        assert not {name.split(".")[0] for name in imports(path)} & FRAMEWORKS


@pytest.mark.parametrize("path", SOURCES, ids=names)
def test_only_the_embedder_process_loads_a_model(path: Path) -> None:
    mine = {
        "attention",
        "cross_encoder",
        "forward",
        "int8",
        "library",
        "linear",
        "packing",
        "sentence_transformer",
        "shipped",
    }
    if path.stem not in mine:
        assert not {name.split(".")[0] for name in imports(path)} & HEAVY


@pytest.mark.parametrize("path", SOURCES, ids=names)
def test_only_the_catalogue_speaks_sql(path: Path) -> None:
    if path.parent.name not in ("db", "migrations", "versions"):
        assert not {name.split(".")[0] for name in imports(path)} & {"sqlalchemy", "sqlite3", "aiosqlite", "alembic"}


@pytest.mark.parametrize("path", SOURCES, ids=names)
def test_settings_stop_at_the_wiring(path: Path) -> None:
    if path.parent.name in ("web", "services", "backends", "db", "core", "ingest", "parsers"):
        assert "rag_api.settings" not in imports(path)


COMMANDS = ", ".join(sorted({f"rag_api.commands.{command.partition(':')[0]}" for command in cli.COMMANDS.values()}))


@pytest.mark.parametrize("process", ["rag_api.app", "rag_api.worker", f"rag_api.cli, {COMMANDS}"])
def test_no_other_process_loads_torch(process: str) -> None:
    code = f"import sys, {process}; sys.exit(bool({HEAVY!r} & set(sys.modules)))"
    assert subprocess.run([str(BIN / "python"), "-c", code], cwd=ROOT, timeout=60).returncode == 0


def test_a_command_that_asks_a_server_loads_nothing_of_the_service() -> None:
    code = f"import sys, rag_api.cli, rag_api.commands.ask; sys.exit(', '.join({SERVICE!r} & set(sys.modules)) or 0)"
    assert subprocess.run([str(BIN / "python"), "-c", code], cwd=ROOT, timeout=60).returncode == 0


@pytest.mark.parametrize("module", ["rag_api.app", "rag_api.worker"])
def test_a_start_loads_nothing_that_may_never_be_asked_for(module: str) -> None:
    code = f"import sys, {module}; sys.exit(', '.join({SELDOM!r} & set(sys.modules)) or 0)"
    assert subprocess.run([str(BIN / "python"), "-c", code], cwd=ROOT, timeout=60).returncode == 0


def test_the_benchmark_can_be_started() -> None:
    assert subprocess.run([str(BIN / "python"), "-m", "bench", "--help"], cwd=ROOT, timeout=60).returncode == 0


def all_rag_errors(kind: type[errors.RagError] = errors.RagError) -> list[type[errors.RagError]]:
    return [kind, *(found for child in kind.__subclasses__() for found in all_rag_errors(child))]


def code_of(kind: type[errors.RagError]) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__).lower()


@pytest.mark.parametrize("kind", all_rag_errors(), ids=lambda kind: kind.__name__)
def test_every_error_has_a_status_and_is_documented(kind: type[errors.RagError]) -> None:
    assert status_of(kind) in set(STATUS.values())
    assert status_of_code(code_of(kind)) == status_of(kind)
    assert kind.__name__ in (errors.__doc__ or "")
    if not kind.__subclasses__():
        assert f"`{code_of(kind)}`" in (ROOT / "docs" / "api.md").read_text("utf-8")


@pytest.mark.parametrize("code", all_errors())
def test_every_reason_why_a_file_is_refused_is_documented(code: str) -> None:
    assert f"`{code}`" in (ROOT / "docs" / "api.md").read_text("utf-8")


def test_every_setting_is_in_the_example_and_nothing_else() -> None:
    lines = (ROOT / ".env.example").read_text("utf-8").splitlines()
    written = [line.lstrip("# ").partition("=")[0] for line in lines if re.match(r"#? ?RAG_[A-Z_0-9]+=", line)]
    assert sorted(written) == sorted(setting_names())


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    reasons = (ROOT / "docs" / "decisions" / "dependencies.md").read_text("utf-8").lower()
    wanted = [re.split(r"[\[>=<]", dependency)[0].lower() for dependency in project["dependencies"]]
    assert [name for name in wanted if name not in reasons] == []


def test_the_blocking_client_is_made_of_the_other() -> None:
    env = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    command = [str(BIN / "python"), str(ROOT / ".ci" / "client.py"), "--check"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("path", ["client.py", "async_client.py", "client_wire.py", "client_values.py"])
def test_a_client_needs_httpx_alone(path: str) -> None:
    foreign = {name.split(".")[0] for name in imports(ROOT / "rag_api" / path)} - sys.stdlib_module_names
    own = {name for name in imports(ROOT / "rag_api" / path) if name.startswith("rag_api")}
    assert foreign <= {"httpx", "rag_api"}
    assert own <= {"rag_api", "rag_api.client_values", "rag_api.client_wire", "rag_api.eventstream"}


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_every_locked_package_has_a_version_and_hashes(name: str) -> None:
    blocks = re.split(r"\n(?=\S)", (ROOT / name).read_text("utf-8").strip())
    assert len(blocks) > 50
    assert [block.split()[0] for block in blocks if "==" not in block or "--hash=sha256:" not in block] == []


def test_a_wheel_carries_every_package_and_the_prompts() -> None:
    listed = set(tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]["packages"])
    there = {".".join(path.parent.relative_to(ROOT).parts) for path in SOURCES}
    assert listed == there | {"rag_api.prompts"}
