"""Run as a program: fills memory as a cache would, under a limit, and tells what the monitor made of it."""

import asyncio
import logging
import sys
from random import Random

import psutil

from server.memory import MemoryMonitor, measure

ENTRIES = 60_000
# About a hundred megabytes.
SIZES = (200, 4000)


async def main() -> None:
    cache: dict[int, bytes] = {}
    calls = 0

    def relieve() -> None:
        nonlocal calls
        calls += 1
        for key in list(cache)[: len(cache) // 2 + 1]:
            del cache[key]

    logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(levelname)s %(message)s")
    limit = round(psutil.Process().memory_info().rss + 100e6)
    monitor = MemoryMonitor(measure(limit, workers=1), relieve)
    watching = asyncio.create_task(monitor.watch(0.05))
    random = Random(1)
    for key in range(ENTRIES):
        cache[key] = random.randbytes(random.randint(*SIZES))
        if key % 100 == 0:
            await asyncio.sleep(0)
    await asyncio.sleep(0.5)
    usage, scarce = monitor.report()
    watching.cancel()
    print(f"{calls} calls, {len(cache)} left, {usage.share:.2f} in use, scarce: {scarce}")


if __name__ == "__main__":
    asyncio.run(main())
