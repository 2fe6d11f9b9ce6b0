import asyncio
import time

import pytest

from rag_api.backends.patience import Patience

LIMIT_S = 5


async def test_waits_that_end_in_time_cost_nothing_and_a_longer_one_is_cut_short() -> None:
    patience = Patience(lambda: due)
    due = time.monotonic() + 60
    for _ in range(3):
        with patience:
            await asyncio.sleep(0)
    due = time.monotonic() - 1
    patience.end()
    patience = Patience(lambda: due)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(LIMIT_S):
            with patience:
                await asyncio.Event().wait()


async def test_a_moment_that_is_put_off_is_waited_for() -> None:
    due = time.monotonic() + 0.01
    patience = Patience(lambda: due)
    with patience:
        await asyncio.sleep(0)
    due = time.monotonic() + 60
    with patience:
        await asyncio.sleep(0.05)  # past the first moment
    patience.end()


async def test_a_moment_that_passes_between_two_waits_ends_the_next() -> None:
    due = time.monotonic() + 0.01
    patience = Patience(lambda: due)
    with patience:
        await asyncio.sleep(0)
    await asyncio.sleep(0.05)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(LIMIT_S):
            with patience:
                await asyncio.Event().wait()


async def test_a_cancellation_from_elsewhere_stays_one() -> None:
    patience = Patience(lambda: time.monotonic() + 60)

    async def wait() -> None:
        with patience:
            await asyncio.Event().wait()

    waiting = asyncio.create_task(wait())
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    patience.end()


async def test_a_moment_that_is_brought_forward_is_kept() -> None:
    due = time.monotonic() + 60  # as for a first token, and after it for the next
    patience = Patience(lambda: due)
    with patience:
        await asyncio.sleep(0)
    due = time.monotonic() + 0.01
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(LIMIT_S) as limit:
            with patience:
                await asyncio.Event().wait()
    assert not limit.expired()
    patience.end()
