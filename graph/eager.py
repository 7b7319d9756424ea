"""Eager loading: agents read together with the pages of their lists, in one query instead of two or three in turn."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import repeat
from typing import Any, NamedTuple

from graph.database import Database
from graph.lookups import Lookup, LookupKey
from graph.model import Agent
from graph.page import Page
from graph.pages import PageKey, PageShape, agent_place, call_of, make_key, page_keys, page_parameters, page_reader
from graph.rows import projection, reader

# So many rows of lists are read together with pages of agents: one query keeps one processor busy.
MOST_ROWS = 8192


@dataclass(frozen=True, slots=True, eq=False)
class EagerLookup:
    """A lookup, and the pages that are read of what it finds: without bounds, filters and skipping."""

    lookup: Lookup
    pages: tuple[PageShape, ...]

    @property
    def lane(self) -> str:
        return f"{self.lookup.name} and lists"


@dataclass(frozen=True, slots=True)
class EagerPage:
    """A page of agents, or of relationships that bring agents along, and the pages that are read of each agent."""

    page: PageShape
    pages: tuple[PageShape, ...]

    @property
    def lane(self) -> str:
        return f"{self.page.lane} and lists"

    @property
    def query(self) -> "EagerPage":
        return EagerPage(self.page.query, self.pages)

    @property
    def rows(self) -> int:
        """How many rows the lists of a page's agents have at most."""
        return self.page.rows * sum(page.rows for page in self.pages)


@lru_cache(maxsize=1024)
def eager_lookup(lookup: Lookup, pages: tuple[PageShape, ...]) -> EagerLookup:
    """The same object for the same pages, so that comparing two costs nothing."""
    return EagerLookup(lookup, pages)


class EagerKey(NamedTuple):
    """What is asked for with lists; `plain` asks for the same without."""

    shape: EagerLookup | EagerPage
    plain: LookupKey | PageKey


@dataclass(frozen=True, slots=True)
class Eager:
    """The plain answer, and the pages with the keys that would have asked for them, or what befell them."""

    answer: Any
    pages: list[tuple[PageKey, Page | Exception]]


def brought_by(key: Any, answer: Any) -> Iterator[tuple[Any, Any]]:
    """What the answer to a key brought along, each with the key that would have asked for it."""
    if isinstance(answer, Eager):
        yield from brought_by(key.plain, answer.answer)
        for asked, page in answer.pages:
            yield asked, page
            yield from brought_by(asked, page)
    elif isinstance(answer, Page) and answer.brought and (brings := key.shape.brings):
        for each in answer.brought:
            yield LookupKey(brings, each.id), each


def list_keys(shape: EagerLookup | EagerPage, agent: str) -> list[PageKey]:
    """The keys that would ask for the lists of an agent, who is named by id."""
    return [make_key((each, agent, (), ())) for each in shape.pages]


def can_be_eager(shape: PageShape) -> bool:
    """Whether a page of this shape can be read before it is known whose it is."""
    return not (shape.bounded or shape.skip or shape.listing.filter)


def has_agents(shape: PageShape) -> bool:
    """Whether there is an agent with each row of a page, whose lists can be read along."""
    return shape.brings is not None or shape.listing.edge.row is Agent


@lru_cache(maxsize=1024)
def eager_text(shape: EagerLookup | EagerPage) -> str:
    """The query that reads with lists, of which the first has `$limit0` rows, the second `$limit1` and so on."""
    if isinstance(shape, EagerPage):
        id = f"row[{agent_place(shape.page)}]"
        began = f"{call_of(shape.page, singly=True)}\nWITH k.i AS key, row AS found, {{id: {id}}} AS k"
    else:
        lookup = shape.lookup
        row = projection(lookup.row, chosen=lookup.fields)
        began = f"MATCH {lookup.match}\nWITH k AS key, [{row}] AS found, {{id: n.id}} AS k"
    calls = [call_of(page, str(number)) for number, page in enumerate(shape.pages)]
    rows = ", ".join(f"rows{number}" for number in range(len(shape.pages)))
    return "\n".join(["UNWIND $keys AS k", began, *calls, f"RETURN collect([key, found, {rows}])"])


def eager_parameters(shape: EagerLookup | EagerPage, keys: Sequence[EagerKey]) -> dict[str, Any]:
    """The parameters with which the query of a shape reads what keys ask for."""
    plain: list[Any] = [key.plain for key in keys]
    if isinstance(shape, EagerPage):
        given = page_parameters(shape.page, plain)
    else:
        given = {"keys": [each.key for each in plain]}
    return given | {f"limit{number}": page.rows for number, page in enumerate(shape.pages)}


async def fetch_eager(
    database: Database, shape: EagerLookup, keys: list[EagerKey], deadline: float
) -> list[Eager | None]:
    """Finds what the keys name, with its pages; None for those that name nothing."""
    given = eager_parameters(shape, keys)
    ((records,),) = await database.read(shape.lane, eager_text(shape), given, deadline=deadline)
    read, readers = reader(shape.lookup.row, shape.lookup.fields), [page_reader(each) for each in shape.pages]
    found: dict[Any, Eager] = {}
    for name, row, *pages in records:
        agent = read(row)
        lists = read_pages(zip(readers, pages, strict=True))
        found[name] = Eager(agent, list(zip(list_keys(shape, agent.id), lists, strict=True)))
    return [found.get(key.plain[1]) for key in keys]


async def fetch_eager_pages(database: Database, shape: EagerPage, keys: list[EagerKey], deadline: float) -> list[Eager]:
    """Reads the pages of keys that share a query, with those of all their agents, in the keys' order."""
    given = eager_parameters(shape, keys)
    ((records,),) = await database.read(shape.lane, eager_text(shape), given, deadline=deadline)
    by_key: list[list[list[Any]]] = [[] for _ in keys]
    for record in records:
        by_key[record[0]].append(record)
    return [read_with_lists(shape, own) for own in by_key]


def read_with_lists(shape: EagerPage, records: list[list[Any]]) -> Eager:
    """Reads one key's page, and those of all its agents, list by list."""
    rows = [record[1] for record in records]
    place = agent_place(shape.page)
    ids = [row[place] for row in rows]
    pages: list[tuple[PageKey, Page | Exception]] = []
    for at, each in enumerate(shape.pages, start=2):
        lists = read_pages(zip(repeat(page_reader(each)), [record[at] for record in records], strict=False))
        pages += zip(page_keys(each, ids), lists, strict=True)
    return Eager(page_reader(shape.page.query)(rows), pages)


def read_pages(
    found: Iterable[tuple[Callable[[list[list[Any]]], Page], list[list[Any]]]],
) -> Iterator[Page | Exception]:
    """Reads pages from their rows; what one of them holds that cannot be read befalls no other."""
    for read, rows in found:
        try:
            yield read(rows)
        except Exception as error:
            yield error
