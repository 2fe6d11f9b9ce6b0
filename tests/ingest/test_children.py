"""Real processes that end in every way."""

import asyncio
from pathlib import Path

from ingest.children import Child

WAIT_S = 30.0


async def status(script: str, folder: Path) -> int:
    """Of a shell that runs this once its output is closed or it has ended."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec("/bin/sh", "-c", f"read line; {script}", stdin=pipe, stdout=pipe)
    assert process.stdin
    assert process.stdout
    process.stdin.write(b"go\n")
    async with asyncio.timeout(WAIT_S):
        assert not await process.stdout.read()
        return await Child(process, folder).status()


async def test_the_signal_that_ended_a_child_is_known_however_many_end_at_once(tmp_path: Path) -> None:
    for _ in range(40):
        found = await asyncio.gather(*(status("kill -9 $$", tmp_path) for _ in range(10)))
        assert set(found) == {-9}


async def test_a_child_that_ends_by_itself_is_not_killed(tmp_path: Path) -> None:
    assert await status("exec >&-; sleep 0.1; exit 7", tmp_path) == 7


async def test_a_child_that_runs_on_without_its_output_is_killed(tmp_path: Path) -> None:
    assert await status(f"exec >&-; exec sleep {10 * WAIT_S:.0f}", tmp_path) == -9
