"""The errors that the layers above may meet; what the driver raises becomes one of these.

SocietyError
├── BadInput          what was asked for makes no sense; the message says what to do
├── NotFound          what was named does not exist
├── Conflict          it contradicts what is stored
├── Unavailable       the database cannot be reached or is overloaded; trying again may help
├── Overloaded        this server has too much to do; trying again later helps
├── DeadlineExceeded  it took longer than it was given
├── TooLarge          what it would take is more than is allowed
├── CursorExpired     what followed a cursor of events is no longer kept
├── EventsLost        events may have been lost on their way to a subscriber
├── SlowConsumer      a subscriber let too many events wait
└── Internal          a fault of ours; its message is for the log, never for clients
"""

import logging
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, Self

from neo4j.exceptions import (
    AuthError,
    ConnectionAcquisitionTimeoutError,
    ConstraintError,
    DriverError,
    Neo4jError,
    ServiceUnavailable,
    SessionExpired,
    TransientError,
)

log = logging.getLogger("ecs.database")


class SocietyError(Exception):
    """An error with a code that clients can act on.

    `path` leads to what is at fault in what was given, by names of fields and places in lists; the message
    begins with it, as in `memories[3].importance: must lie in [0, 1], is 2`.
    """

    code = "INTERNAL"
    # What clients are told beside the code.
    extensions: Mapping[str, Any] = MappingProxyType({})

    def __init__(self, fault: str, *path: str | int) -> None:
        place = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")
        self.message = f"{place}: {fault}" if place else fault
        self.fault = fault
        self.path = path
        super().__init__(self.message)

    def within(self, *place: str | int) -> Self:
        """Gives the same error, found in a larger whole at this place."""
        return type(self)(self.fault, *place, *self.path)


class BadInput(SocietyError):
    code = "BAD_USER_INPUT"


class NotFound(SocietyError):
    code = "NOT_FOUND"


class Conflict(SocietyError):
    code = "CONFLICT"


class Unavailable(SocietyError):
    code = "UNAVAILABLE"


class Overloaded(SocietyError):
    code = "OVERLOADED"


class DeadlineExceeded(SocietyError):
    code = "TIMEOUT"


class TooLarge(SocietyError):
    code = "TOO_LARGE"


class CursorExpired(SocietyError):
    code = "CURSOR_EXPIRED"


class EventsLost(SocietyError):
    code = "EVENTS_LOST"


class SlowConsumer(SocietyError):
    code = "SLOW_CONSUMER"


class Internal(SocietyError):
    code = "INTERNAL"


TIMED_OUT = (
    "Neo.ClientError.Transaction.TransactionTimedOut",
    "Neo.ClientError.Transaction.TransactionTimedOutClientConfiguration",
    # It timed out while it waited for a lock.
    "Neo.ClientError.Transaction.LockClientStopped",
)

# It could not write, and stands still until it is started again.
STOPPED = "Neo.DatabaseError.Transaction."


def translate(error: Exception, query: str) -> SocietyError:  # noqa: PLR0911
    """Says what an error of the driver's means, without addresses, credentials or query text."""
    match error:
        case Neo4jError() if error.code in TIMED_OUT:
            return DeadlineExceeded("The database took longer than the request's deadline. Ask for less, or try again.")
        case Neo4jError() if (error.code or "").startswith(STOPPED):
            return Unavailable("The database cannot write; its disk may be full. Try again once there is room.")
        case ConnectionAcquisitionTimeoutError():
            return Unavailable("All database connections are busy. Try again shortly.")
        case AuthError():
            return Unavailable(
                "The database refused the credentials. Check ECS_DATABASE_USER and ECS_DATABASE_PASSWORD."
            )
        case ConstraintError():
            return Conflict("Something with the same id, key or name exists already.")
        case TransientError():
            log.warning("%s failed for the moment: %s", query, error.code)
            return Unavailable("The database is busy. Try again shortly.")
        case ServiceUnavailable() | SessionExpired():
            return Unavailable("The database cannot be reached. Try again shortly.")
        case _:
            return Internal(f"{query}: {type(error).__name__}: {error}")


@contextmanager
def translated(query: str) -> Generator[None]:
    """Raises what the driver raises as an error of ours."""
    try:
        yield
    except (Neo4jError, DriverError) as error:
        raise translate(error, query) from error
    except (OSError, TimeoutError) as error:
        if isinstance(error, TimeoutError):
            raise DeadlineExceeded("The database did not answer within the deadline. Try again.") from error
        raise Unavailable("The database cannot be reached. Try again shortly.") from error
