"""Subscribers who ask the same of an event share its answer, executed and written once for all of them."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable, Iterator, Mapping
from functools import lru_cache
from typing import Any

import orjson
from graphql import DocumentNode, FieldNode, FragmentDefinitionNode, Node, VariableNode, Visitor, visit

from schema.answer import Answer
from schema.document import REMEMBERED, parse_document, select_operation

# Answers kept for subscribers who get to an event later than others, none of more bytes than this.
KEPT = 256
LARGEST = 65_536


class Sharing:
    """The answers to the last events, by the event and what was asked of it."""

    def __init__(self, *, kept: int = KEPT) -> None:
        self._kept = kept
        # Each with its event, so that no other object gets the event's id.
        self._answers: OrderedDict[Hashable, tuple[Any, asyncio.Future[Answer]]] = OrderedDict()

    async def share(self, selection: Hashable, event: Any, execute: Callable[[Any], Awaitable[Answer]]) -> Answer:
        """Gives the answer to an event, executing the selection unless somebody did."""
        key = (selection, id(event))
        if key not in self._answers:
            self._answers[key] = event, asyncio.ensure_future(self._execute(key, event, execute))
            if len(self._answers) > self._kept:
                self._answers.popitem(last=False)
        _, answer = self._answers[key]
        # The others still want the answer if the first to ask goes away.
        return answer.result() if answer.done() else await asyncio.shield(answer)

    async def _execute(self, key: Hashable, event: Any, execute: Callable[[Any], Awaitable[Answer]]) -> Answer:
        answer = await execute(event)
        if len(answer.json) > LARGEST:
            self._answers.pop(key, None)
        return answer


def selection_of(document: str, name: str | None, variables: Mapping[str, Any]) -> Hashable:
    """Gives what is equal for operations that select the same of an event, whichever events they ask for."""
    used = {
        each: variables[each] for each in variables_of_selection(parse_document(document), name) if each in variables
    }
    return document, name, orjson.dumps(used, option=orjson.OPT_SORT_KEYS)


@lru_cache(maxsize=REMEMBERED)
def variables_of_selection(document: DocumentNode, name: str | None) -> frozenset[str]:
    """Names the variables that a subscription uses, but for those that only say which events it asks for."""
    collector = Collector()
    for part in parts_of_selection(document, name):
        visit(part, collector)
    return frozenset(collector.names)


def parts_of_selection(document: DocumentNode, name: str | None) -> Iterator[Node]:
    for root in select_operation(document, name).selection_set.selections:
        if isinstance(root, FieldNode):
            yield from root.directives or ()
            if root.selection_set:
                yield root.selection_set
        else:
            yield root
    yield from (each for each in document.definitions if isinstance(each, FragmentDefinitionNode))


class Collector(Visitor):
    """Collects the names of variables."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def enter_variable(self, node: VariableNode, *_: Any) -> None:
        self.names.add(node.name.value)
