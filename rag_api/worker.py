"""The ingestion worker process."""

import asyncio
import os
import signal

from rag_api import garbage, telemetry
from rag_api.settings import Settings, load_settings
from rag_api.wiring import open_worker

NICE = 10


async def work(settings: Settings) -> None:
    """Takes jobs until SIGTERM; what is in hand then goes back into the queue."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stopped.set)
    async with open_worker(settings) as services:
        garbage.settle()
        tasks: list[asyncio.Task[None]] = [
            asyncio.create_task(services.ingestor.run()),
            asyncio.create_task(services.upkeep.run()),
        ]
        stop = asyncio.create_task(stopped.wait())
        await asyncio.wait([*tasks, stop], return_when=asyncio.FIRST_COMPLETED)
        broken = [task for task in tasks if task.done()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for task in broken:
            task.result()  # raises what ended the worker, as nobody asked it to


def main() -> None:
    settings = load_settings()
    telemetry.configure_logging(process="worker", level=settings.log_level, as_json=settings.log_json)
    os.nice(NICE)  # questions come first
    asyncio.run(work(settings))


if __name__ == "__main__":
    main()
