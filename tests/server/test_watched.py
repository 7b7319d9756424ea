"""A file that changes is read again; one that goes wrong changes nothing."""

import logging
import os
from pathlib import Path

import pytest

from server.settings import SettingsError
from server.watched import WatchedFile


def parse(data: bytes) -> int:
    try:
        return int(data.decode())
    except UnicodeDecodeError:
        raise
    except ValueError:
        raise ValueError("must hold a number") from None


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_changes_are_noticed_and_mistakes_are_not_taken_over(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    path, clock = tmp_path / "file", Clock()
    path.write_text("1")
    watched = WatchedFile("ECS_FILE", path, parse, clock=clock)
    assert watched() == 1

    replacement = tmp_path / "new"
    replacement.write_text("2")
    os.replace(replacement, path)
    assert watched() == 1, "it is not looked at every time"
    clock.now += 3
    assert watched() == 2

    with caplog.at_level(logging.WARNING, "ecs.settings"):
        for wrong in ("hunter2", None):
            path.write_text(wrong) if wrong else path.unlink()
            for _ in range(3):
                clock.now += 3
                assert watched() == 2
    said = [record.message for record in caplog.records if record.levelno == logging.ERROR]
    assert said == [
        f"ECS_FILE: {path}: must hold a number; what it said before holds on",
        f"ECS_FILE: {path} cannot be read: No such file or directory; what it said before holds on",
    ]

    path.write_text("3")
    clock.now += 3
    assert watched() == 3


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (None, "cannot be read: No such file"),
        (b"x", "must hold a number"),
        (b"\xff", "is not text in UTF-8"),
        (b"1" * 1_048_577, "is larger than 1048576 bytes"),
    ],
)
def test_a_file_that_is_wrong_at_first_is_an_error(tmp_path: Path, content: bytes | None, fault: str):
    path = tmp_path / "file"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SettingsError) as caught:
        WatchedFile("ECS_FILE", path, parse)
    (line,) = str(caught.value).splitlines()
    assert line.startswith(f"ECS_FILE: {path}")
    assert fault in line
