"""A function in a forked process. Each test forks from a process of its own, as pytest has threads."""

import subprocess
import sys

import pytest

BEGIN = """
import os, signal, threading, time
from concurrent.futures import ThreadPoolExecutor
from rag_api.backends.apart import Apart

def double(given):
    if given == "who":
        return os.getpid(), os.sched_getscheduler(0) == os.SCHED_IDLE, len(begun)
    if given == "wait":
        time.sleep(60)
    if given == "panic":
        raise SystemExit(7)
    if given == "fail":
        raise ValueError("no such text")
    return given * 2

ended, begun = [], []
apart = Apart(double, begin=lambda: begun.append(1), threads=2, on_end=lambda: ended.append(True))
"""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks where Linux tells a child of its parent's end")


def said(script: str) -> str:
    done = subprocess.run([sys.executable, "-c", BEGIN + script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_it_answers_from_a_process_that_gives_way() -> None:
    script = "pid, *of_it = apart('who'); print(pid == apart.pid != os.getpid(), of_it, len(begun), apart('ab'))"
    assert said(script) == "True [True, 1] 0 abab"


def test_as_many_threads_ask_at_once_as_there_are() -> None:
    script = """
with ThreadPoolExecutor(8) as pool:
    print(list(pool.map(apart, range(200))) == [2 * i for i in range(200)])
"""
    assert said(script) == "True"


def test_what_goes_wrong_there_belongs_to_who_asked() -> None:
    script = """
try:
    apart('fail')
except RuntimeError as error:
    print(error, apart(2), ended)
"""
    assert said(script) == "ValueError: no such text 4 []"


def test_a_panic_there_belongs_to_who_asked_too() -> None:
    script = """
try:
    apart('panic')
except RuntimeError as error:
    print(error, apart(2), apart(3))
"""
    assert said(script) == "SystemExit: 7 4 6"


def test_a_start_that_fails_there_is_its_end() -> None:
    script = """
apart = Apart(double, begin=lambda: 1 / 0, threads=1, on_end=lambda: ended.append(True))
try:
    apart(2)
except EOFError as error:
    print(error, ended)
"""
    assert said(script) == "the process apart has ended [True]"


def test_where_the_system_forbids_it_to_be_idle_it_is_nice() -> None:
    script = """
def forbidden(*_):
    raise PermissionError

os.sched_setscheduler = forbidden
apart = Apart(lambda _: os.getpriority(os.PRIO_PROCESS, 0), begin=int, threads=1, on_end=int)
print(apart(''))
"""
    assert said(script) == "19"


def test_one_that_does_not_answer_is_ended() -> None:
    script = """
print(apart.answers(2, within_s=10), apart.answers('wait', within_s=0.2), os.path.exists(f'/proc/{apart.pid}'))
try:
    apart(2)
except EOFError as error:
    print(error)
"""
    assert said(script) == "True False False\nthe process apart has ended"


def test_its_end_is_told_to_who_waits_and_to_who_asks_later() -> None:
    script = """
threading.Timer(0.3, os.kill, (apart.pid, signal.SIGKILL)).start()
for given in ('wait', 2):
    try:
        apart(given)
    except EOFError as error:
        print(error, len(ended))
"""
    assert said(script) == "the process apart has ended 1\nthe process apart has ended 2"


def test_it_ends_with_the_process_that_it_came_from() -> None:
    script = "print(apart.pid, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    done = subprocess.run([sys.executable, "-c", BEGIN + script], capture_output=True, text=True, timeout=60)
    # its output is at an end when the last process that holds it has ended
    assert done.stdout.strip().isdigit()
    assert done.returncode == -9
