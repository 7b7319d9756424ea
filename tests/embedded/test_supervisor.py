"""What is watched over is started again when it ends, and killed when it cannot go on."""

import sys
import time
from collections.abc import Callable
from pathlib import Path

from graph.embedded.process import Process
from graph.embedded.supervisor import Supervisor

# Asked to end, it says so in a file.
POLITE = """
import pathlib, signal, sys, time
def end(*_):
    pathlib.Path(sys.argv[1]).write_text("asked")
    sys.exit()
signal.signal(signal.SIGTERM, end)
pathlib.Path(sys.argv[2]).touch()
time.sleep(60)
"""


def until(happened: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 20
    while not happened():
        assert time.monotonic() < give_up
        time.sleep(0.02)


def test_what_cannot_go_on_is_killed_before_there_is_room_again(tmp_path: Path):
    asked, running = tmp_path / "asked", tmp_path / "running"
    spawned: list[Process] = []
    room = False

    def spawn() -> Process:
        command = [sys.executable, "-c", POLITE, str(asked), str(running)]
        spawned.append(Process.spawn(command, cwd=tmp_path, output=tmp_path / "output"))
        return spawned[-1]

    first = spawn()
    until(running.exists)
    supervisor = Supervisor("it", first, spawn, is_stuck=lambda: len(spawned) == 1, lacks_space=lambda: not room)
    try:
        until(lambda: first.exit_code is not None)
        assert not asked.exists()
        assert len(spawned) == 1
        room = True
        until(lambda: len(spawned) == 2)
        assert not asked.exists()
    finally:
        supervisor.stop().kill()
