"""Children that end with their owner, when told to, or at the next start."""

import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from graph.embedded.process import RECORD, Process, end_orphan

SLEEP = ["/bin/sleep", "60"]


def is_alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def await_end(pid: int) -> None:
    deadline = time.monotonic() + 5
    while is_alive(pid):
        assert time.monotonic() < deadline, f"process {pid} is still there"
        time.sleep(0.02)


def await_exec(pid: int) -> None:
    """Wait until a child has become the command that it was asked to be."""
    deadline = time.monotonic() + 5
    while any("tether" in word for word in psutil.Process(pid).cmdline()) or not psutil.Process(pid).cmdline():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_child_outlives_the_thread_that_asked_for_it(tmp_path: Path) -> None:
    started: list[Process] = []

    def start() -> None:
        started.append(Process.spawn(SLEEP, cwd=tmp_path, output=tmp_path / "log"))
        await_exec(started[0].pid)

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    time.sleep(0.3)
    assert started[0].exit_code is None
    started[0].stop()
    assert started[0].exit_code is not None


@pytest.mark.parametrize("moment", ["at once", "later"])
def test_a_child_dies_with_an_owner_that_is_killed(tmp_path: Path, moment: str) -> None:
    script = (
        "import sys, time; from pathlib import Path; from graph.embedded.process import RECORD, Process\n"
        "folder = Path(sys.argv[1])\n"
        "command = ['/bin/sh', '-c', 'sleep 60; :', str(folder)]\n"
        "child = Process.spawn(command, cwd=folder, output=folder / 'log', record=folder / RECORD)\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout
        pid = int(owner.stdout.readline())
        if moment == "later":
            await_exec(pid)
        owner.kill()
    if sys.platform != "linux":
        # Only Linux tells a child of its owner's death; elsewhere the next start sees to it.
        end_orphan(tmp_path)
    await_end(pid)


def test_a_child_that_ignores_the_polite_signal_is_ended_with_all_it_started(tmp_path: Path) -> None:
    script = "trap '' TERM; sleep 60 & echo $!; wait; sleep 60"
    process = Process.spawn(["/bin/sh", "-c", script], cwd=tmp_path, output=tmp_path / "log")
    while not (tmp_path / "log").read_text().endswith("\n"):
        time.sleep(0.02)
    grandchild = int((tmp_path / "log").read_text())
    began = time.monotonic()
    process.stop(patience=0.5)
    assert time.monotonic() - began < 10
    assert process.exit_code == -9
    await_end(grandchild)


def test_a_recorded_orphan_is_ended_before_the_next_start(tmp_path: Path) -> None:
    orphan = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", str(tmp_path)])
    (tmp_path / RECORD).write_text(json.dumps([orphan.pid, psutil.Process(orphan.pid).create_time()]))
    end_orphan(tmp_path)
    assert orphan.wait(5) == -9
    assert not (tmp_path / RECORD).exists()


@pytest.mark.parametrize("difference", ["directory", "start time"])
def test_a_process_that_only_has_the_same_number_is_left_alone(tmp_path: Path, difference: str) -> None:
    named = "elsewhere" if difference == "directory" else str(tmp_path)
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", named])
    created = psutil.Process(stranger.pid).create_time() - (100 if difference == "start time" else 0)
    (tmp_path / RECORD).write_text(json.dumps([stranger.pid, created]))
    end_orphan(tmp_path)
    assert stranger.poll() is None
    stranger.kill()
    stranger.wait()
