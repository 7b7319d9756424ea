"""What can go wrong while servers are embedded, each told in one line."""

from pathlib import Path


class EmbeddedError(Exception):
    """An embedded server could not be had; the message says what, where and what to do."""


def unusable(path: Path, error: OSError) -> EmbeddedError:
    """Tell that a file or directory could not be read or written."""
    return EmbeddedError(
        f"Cannot use {error.filename or path}: {error.strerror or error}. "
        "Choose another directory, or make room and permissions right there."
    )
