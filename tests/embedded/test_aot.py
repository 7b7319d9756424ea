"""The background work that makes later starts faster never gets in the way."""

import time
from pathlib import Path

import psutil

from graph.embedded.aot import AotCache, Training
from graph.embedded.jars import fetch_distribution


def trainers(folder: Path) -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if str(folder) in " ".join(child.cmdline())]


def test_training_is_of_low_priority_and_ends_at_once_when_stopped(own_cache: Path) -> None:
    aot = AotCache(own_cache, fetch_distribution(own_cache, print))
    training = Training(aot, delay=0)
    deadline = time.monotonic() + 20
    while not (found := trainers(aot.folder)) or "java" not in found[0].exe():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert found[0].nice() == 19
    time.sleep(1)
    began = time.monotonic()
    training.stop()
    assert time.monotonic() - began < 5
    assert trainers(aot.folder) == []
    assert [file.name for file in aot.folder.iterdir()] == ["lock"]


def test_training_that_was_never_due_is_stopped_without_a_trace(own_cache: Path) -> None:
    aot = AotCache(own_cache, fetch_distribution(own_cache, print))
    before = set(own_cache.rglob("*"))
    Training(aot, delay=60).stop()
    assert set(own_cache.rglob("*")) == before
