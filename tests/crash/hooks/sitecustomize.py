"""Lets a test say at which call of which function a process kills itself, without a word of it in the product.

Python imports this file at its start where its folder is on PYTHONPATH. The functions named in CRASH_POINTS
(`module:function` or `module:Class.method`, separated by commas) are wrapped when their module is imported. A wrapped
function looks for the file CRASH_ARMED, `<point> before|after <n>`: the n-th call of that point in one process takes
the file away, so that it fires once, and kills that process with SIGKILL.
"""

import functools
import importlib.abc
import importlib.machinery
import inspect
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

ARMED = Path(os.environ.get("CRASH_ARMED", ""))
POINTS = [point for point in os.environ.get("CRASH_POINTS", "").split(",") if point]


class Trigger:
    """Counts the calls of one point for as long as the same order is armed."""

    def __init__(self, point: str) -> None:
        self._point = point
        self._order: tuple[str, int] = ("", 0)
        self._calls = 0

    def passed(self, moment: str) -> None:
        try:
            order = (ARMED.read_text("utf-8"), ARMED.stat().st_mtime_ns)
        except FileNotFoundError:
            return
        point, wanted, count = order[0].split()
        if (point, wanted) != (self._point, moment):
            return
        if order != self._order:
            self._order, self._calls = order, 0
        self._calls += 1
        if self._calls < int(count):
            return
        try:
            ARMED.rename(ARMED.with_name("fired"))
        except FileNotFoundError:  # another process was quicker
            return
        os.kill(os.getpid(), signal.SIGKILL)


def wrapped(function: Callable[..., Any], trigger: Trigger) -> Callable[..., Any]:
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def coroutine(*args: Any, **options: Any) -> Any:
            trigger.passed("before")
            result = await function(*args, **options)
            trigger.passed("after")
            return result

        return coroutine

    @functools.wraps(function)
    def plain(*args: Any, **options: Any) -> Any:
        trigger.passed("before")
        result = function(*args, **options)
        trigger.passed("after")
        return result

    return plain


def wrap_points(module: ModuleType) -> None:
    for point in POINTS:
        name, _, path = point.partition(":")
        if name != module.__name__:
            continue
        *owners, last = path.split(".")
        owner: Any = module
        for part in owners:
            owner = getattr(owner, part)
        setattr(owner, last, wrapped(getattr(owner, last), Trigger(point)))


class WrappingLoader(importlib.abc.Loader):
    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        module: ModuleType | None = self._loader.create_module(spec)
        return module

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        wrap_points(module)


class WrappingFinder(importlib.abc.MetaPathFinder):
    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name not in {point.partition(":")[0] for point in POINTS}:
            return None
        for finder in sys.meta_path:
            find = getattr(finder, "find_spec", None)
            spec = find(name, path, target) if find and finder is not self else None
            if spec:
                spec.loader = WrappingLoader(spec.loader)
                return spec  # type: ignore[no-any-return]
        return None


if POINTS:
    sys.meta_path.insert(0, WrappingFinder())
