"""Who is told of operations: what is counted, logged and traced is none of the schema's business."""

from typing import Any, NamedTuple, Protocol

from resolvers.context import Context
from schema.answer import Answer


class Operation(NamedTuple):
    """What a client asks to have executed."""

    document: str
    variables: dict[str, Any] | None = None
    name: str | None = None
    hash: str | None = None
    tells_cost: bool = False


class Observer(Protocol):
    """Is told when operations begin and end."""

    def begin(self, operation: Operation) -> Any:
        """Gives what is handed back at the end."""
        ...

    def end(self, began: Any, operation: Operation, context: Context, answer: Answer | None) -> None:
        """Tells how a query or a mutation ended; without an answer it was refused, or nobody waits for one."""
        ...

    def fail(self, operation: Operation, answer: Answer) -> None:
        """Tells the error that a subscription ended with."""
        ...
