"""What the log looks like: lines for people, or one JSON object a line for machines."""

import logging
import sys
from datetime import UTC, datetime
from typing import Any, Literal

import orjson

from server.exchange import current

Format = Literal["text", "json"]


def fields_of(record: logging.LogRecord) -> dict[str, Any]:
    """What a record says beside its message: of its request, and what was given as `fields`."""
    exchange = current.get()
    return (exchange.fields() if exchange else {}) | getattr(record, "fields", {})


class TextFormatter(logging.Formatter):
    """A line with what is known of the request at its end."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:
        told = " ".join(f"{name}={value}" for name, value in fields_of(record).items())
        return super().formatMessage(record) + (f" [{told}]" if told else "")


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        told: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        } | fields_of(record)
        if record.exc_info:
            told["exception"] = self.formatException(record.exc_info)
        return orjson.dumps(told, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


def is_of_note(record: logging.LogRecord) -> bool:
    """Says whether asyncio's log has news: attempts to connect that were given up are let go of before they fail."""
    return not (record.exc_info and isinstance(record.exc_info[1], ConnectionError))


def set_up_logs(format: Format | None) -> None:
    """Lets everything that is logged go to standard error; as text on a terminal unless it is said otherwise."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if format == "json" else TextFormatter())
    logging.basicConfig(handlers=[handler], force=True)
    logging.getLogger("asyncio").addFilter(is_of_note)
