"""When Python's garbage collector walks: seldom, and never over what was there when a process began its work.

Loading torch and its kin makes a million objects, and walking them again and again takes a quarter of the time that
loading takes. Those stay; and of what a request makes, little is left when thousands of objects more have been made.
"""

import ctypes
import gc
import runpy
import sys

YOUNG = 20_000  # objects made since the last walk, 700 as Python comes
WALKS = (10, 20)  # of young ones before older ones are walked, too


def wait() -> None:
    """Until `settle`."""
    gc.disable()


def settle() -> None:
    """All that is there stays; memory that loading left free goes back to the system, where the C library can do so."""
    gc.collect()
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
        trim(0)
    gc.freeze()
    gc.set_threshold(YOUNG, *WALKS)
    gc.enable()


def main() -> None:
    """`python -m rag_api.garbage MODULE …`: as `python -m MODULE …`, which nothing is walked for while it is loaded."""
    wait()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
