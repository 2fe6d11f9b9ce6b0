"""A function in a process apart, which is forked from this one and shares the memory of what is loaded.

Purpose: passes over documents give way to questions. One that is set aside while it holds the interpreter's lock would
hold up the questions of the same process; a process apart has a lock of its own. It runs when nobody else wants the
processor (SCHED_IDLE), so that who wakes up need not wait for the end of its slice.
Mechanism: a pair of connected sockets for each thread here, with a thread of its own there. Arguments and results go
through them, pickled. Ends of sockets tell each side that the other has gone.
Does not promise: to come back when the other process was killed; whoever owns this one is to start it anew, and
`on_end` is called for that.
Fork before this process has other threads. Linux only.
"""

import contextlib
import ctypes
import os
import signal
import threading
import traceback
from collections.abc import Callable, Sequence
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Generic, TypeVar

Given = TypeVar("Given")
Made = TypeVar("Made")
_PR_SET_PDEATHSIG = 1
LEAST_NICE = 19
ANSWER_S = 120.0  # a job that meets one that hangs is tried again for longer than this


class Apart(Generic[Given, Made]):
    """`begin` is called there first, by one thread."""

    def __init__(
        self,
        function: Callable[[Given], Made],
        *,
        begin: Callable[[], None],
        threads: int,
        on_end: Callable[[], None],
    ) -> None:
        pairs = [Pipe() for _ in range(threads)]
        parent = os.getpid()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                for mine, _ in pairs:
                    mine.close()
                if is_child_of(parent):
                    _give_way()
                    begin()
                    _serve(function, [theirs for _, theirs in pairs])
            except BaseException:  # noqa: BLE001 - it must not go on as the process that it came from
                traceback.print_exc()
            finally:
                os._exit(1)
        self._on_end = on_end
        self._free: SimpleQueue[Connection] = SimpleQueue()
        for mine, theirs in pairs:
            theirs.close()
            self._free.put(mine)

    def answers(self, given: Given, *, within_s: float) -> bool:
        """Whether it does: libraries may have threads of their own, whose locks a fork leaves locked for ever. It is
        ended where it does not."""
        connection = self._free.get()
        is_good = False
        with contextlib.suppress(EOFError, OSError):
            connection.send(given)
            is_good = connection.poll(within_s) and connection.recv()[0]
        self._free.put(connection)
        if not is_good:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        return is_good

    def __call__(self, given: Given) -> Made:
        """Blocks; for as many threads as there are. Raises RuntimeError with what the function raised, and EOFError
        when the other process has gone."""
        connection = self._free.get()
        try:
            connection.send(given)
            if not connection.poll(ANSWER_S):
                raise EOFError(f"no answer within {ANSWER_S:g} s")
            is_good, made = connection.recv()
        except (EOFError, OSError) as error:
            self._free.put(connection)  # for who asks next to be told, too
            self._on_end()
            raise EOFError("the process apart has ended") from error
        except BaseException:  # what is half read would be another's answer
            self._on_end()
            raise
        self._free.put(connection)
        if not is_good:
            raise RuntimeError(made)
        found: Made = made
        return found


def is_child_of(parent: int) -> bool:
    """From now on it ends with its parent, unless that has gone already."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    return os.getppid() == parent


def _give_way() -> None:
    try:
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    except OSError:  # a sandbox forbids it
        os.nice(LEAST_NICE)


def _serve(function: Callable[[Given], Made], connections: Sequence[Connection]) -> None:
    """Until the other side ends."""
    threads = [threading.Thread(target=_answer, args=(function, connection)) for connection in connections]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _answer(function: Callable[[Given], Made], connection: Connection) -> None:
    try:
        while True:
            given = connection.recv()
            try:
                answer: tuple[bool, object] = True, function(given)
            except BaseException as error:  # noqa: BLE001 - it belongs to who asked; a tokenizer's panic is no Exception
                answer = False, f"{type(error).__name__}: {error}"
            connection.send(answer)
    except (EOFError, OSError):
        return  # the other side has ended
    except BaseException:  # noqa: BLE001 - who waits for this thread has to be told
        traceback.print_exc()
        os._exit(1)
