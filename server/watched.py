"""A file of settings that is read again when it changes."""

import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from server.settings import SettingsError

LARGEST = 1_048_576
# How long a change may go unnoticed.
CHECKED_EVERY = 2.0

T = TypeVar("T")
log = logging.getLogger("ecs.settings")


class WatchedFile(Generic[T]):
    """What a file says. A change that makes no sense is logged, and what the file said before holds on.

    `parse` raises ValueError with what is wrong, which must not repeat secrets. Raises SettingsError if the file
    makes no sense at first.
    """

    def __init__(
        self, setting: str, path: Path, parse: Callable[[bytes], T], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._setting, self._path, self._parse, self._clock = setting, path, parse, clock
        self._stamp = self._look()
        self._content = self._read()
        self._next = clock() + CHECKED_EVERY

    def __call__(self) -> T:
        if (now := self._clock()) >= self._next:
            self._next = now + CHECKED_EVERY
            if (stamp := self._look()) != self._stamp:
                self._stamp = stamp
                self._reload()
        return self._content

    def _reload(self) -> None:
        try:
            self._content = self._read()
        except SettingsError as error:
            log.error("%s; what it said before holds on", error)
        else:
            log.warning("%s: %s was read again", self._setting, self._path)

    def _look(self) -> tuple[int, ...] | None:
        try:
            found = os.stat(self._path)
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino, found.st_dev

    def _read(self) -> T:
        try:
            with self._path.open("rb") as file:
                data = file.read(LARGEST + 1)
            if len(data) > LARGEST:
                raise ValueError(f"is larger than {LARGEST} bytes")
            return self._parse(data)
        except OSError as error:
            raise SettingsError(f"{self._setting}: {self._path} cannot be read: {error.strerror}") from None
        except ValueError as error:
            fault = "is not text in UTF-8" if isinstance(error, UnicodeDecodeError) else error
            raise SettingsError(f"{self._setting}: {self._path}: {fault}") from None
