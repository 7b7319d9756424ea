"""Knowledge found by the beginnings of words: pages in the order of the words, and counts."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from graph.database import Database
from graph.errors import BadInput
from graph.mentions import words_in
from graph.model import Knowledge
from graph.page import Page
from graph.rows import projection, reader
from graph.search import SearchKey

LONGEST_PREFIX = 200
# Nothing that is stored sorts after it.
LAST = "\U0010ffff"


@dataclass(frozen=True, slots=True)
class KnowledgeSearch:
    """What pages of found knowledge have in common."""

    limit: int
    after: bool = False
    before: bool = False

    @property
    def lane(self) -> str:
        return "search knowledge"


@dataclass(frozen=True, slots=True)
class KnowledgeTally:
    """How many pieces of knowledge are found."""

    @property
    def lane(self) -> str:
        return "search knowledge.tally"


def read_prefix(text: str) -> str | None:
    """Turns what somebody has typed into beginnings of words; '' for all there is, None for what has no words.

    Raises BadInput for a text that is too long.
    """
    if len(text) > LONGEST_PREFIX:
        raise BadInput(f"may be {LONGEST_PREFIX} characters long at most, is {len(text)}.", "prefix")
    # The longest one finds the fewest; whatever it finds is looked at for the others.
    words = sorted(words_in(text), key=len, reverse=True)
    return " ".join(words) if words or not text.strip() else None


def matched(*, owned: bool, after: bool = False) -> str:
    """Finds what mentions a word from `k.low` to `k.high` and has words that begin as each of `k.others` does.

    Of the words that fit, a piece is found by the first alone, the topic's before the content's.
    """
    index, owner = ("agentId, word, place, item", "m.agentId = k.agent AND ") if owned else ("word, place, item", "")
    beyond = "CASE WHEN m.word <> k.low THEN true WHEN m.place <> k.a1 THEN m.place > k.a1 ELSE m.item > k.a2 END AND "
    return f"""
        MATCH (n)-[m:MENTIONS]->() USING INDEX SEEK m:MENTIONS({index})
        WHERE {owner}m.word >= k.low AND m.word <= k.high AND m.place IS NOT NULL AND m.item IS NOT NULL
            AND {beyond if after else ""}NOT EXISTS {{
                (n)-[o:MENTIONS]->() WHERE o.word STARTS WITH k.first AND o.word < m.word
            }} AND all(other IN k.others WHERE n.words CONTAINS ' ' + other)
    """


@lru_cache
def page_text(*, owned: bool, after: bool) -> str:
    """The query that reads a page of each key."""
    order = "m.agentId, m.word, m.place, m.item" if owned else "m.word, m.place, m.item"
    return f"""
    UNWIND $keys AS k
    CALL (k) {{
        {matched(owned=owned, after=after)}
        WITH n, m ORDER BY {order} LIMIT $limit
        RETURN collect([{projection(Knowledge)}, m.word, m.place, m.item]) AS rows
    }}
    RETURN k.i, rows
    """


@lru_cache
def before_text(*, owned: bool) -> str:
    """The query that says whether anything comes before each key's bound."""
    return f"""
    UNWIND $keys AS k
    CALL (k) {{
        {matched(owned=owned)}
            AND CASE WHEN m.word <> k.high THEN true WHEN m.place <> k.b1 THEN m.place < k.b1 ELSE m.item < k.b2 END
        WITH n, m LIMIT $limit
        RETURN collect([{projection(Knowledge)}, m.word, m.place, m.item]) AS rows
    }}
    RETURN k.i, rows
    """


@lru_cache
def tally_text(*, owned: bool) -> str:
    """The query that counts what is found of each key."""
    return f"""
    UNWIND $keys AS k
    CALL (k) {{
        {matched(owned=owned)}
        RETURN count(n) AS found
    }}
    RETURN k.i, found
    """


async def fetch_knowledge(
    database: Database, shape: KnowledgeSearch, keys: list[SearchKey], deadline: float
) -> list[Page]:
    """Reads the pages of what is found, in the keys' order: by the first word that fits, then topics before contents.

    With `before` it reads anything that comes before that bound.
    """
    found: dict[int, list[list[Any]]] = {}
    for owned, rows in split(keys):
        text = before_text(owned=owned) if shape.before else page_text(owned=owned, after=shape.after)
        given = {"keys": rows, "limit": shape.limit + 1}
        for place, items in await database.read(shape.lane, text, given, deadline=deadline):
            found[place] = items
    return [page_of(found.get(place, []), shape.limit) for place in range(len(keys))]


def page_of(rows: list[list[Any]], limit: int) -> Page:
    read = reader(Knowledge)
    shown = rows[:limit]
    return Page([read(each) for each in shown], [tuple(each[-3:]) for each in shown], len(rows) > limit)


async def fetch_knowledge_tallies(
    database: Database, shape: KnowledgeTally, keys: list[SearchKey], deadline: float
) -> list[int]:
    """Counts what is found of each key."""
    found: dict[int, int] = {}
    for owned, rows in split(keys):
        for place, count in await database.read(shape.lane, tally_text(owned=owned), {"keys": rows}, deadline=deadline):
            found[place] = count
    return [found.get(place, 0) for place in range(len(keys))]


def split(keys: list[SearchKey]) -> list[tuple[bool, list[dict[str, Any]]]]:
    """Sorts keys by whether they ask for one agent's or for everybody's, which different indexes answer."""
    sides: dict[bool, list[dict[str, Any]]] = {}
    for place, key in enumerate(keys):
        if key.text is not None:
            sides.setdefault(key.agent is not None, []).append(row(key, place))
    return list(sides.items())


def row(key: SearchKey, place: int) -> dict[str, Any]:
    first, *others = (key.text or "").split() or [""]
    low, *after = key.after or (first,)
    high, *before = key.before or (first + LAST,)
    bounds = {
        f"{name}{at}": value for name, bound in (("a", after), ("b", before)) for at, value in enumerate(bound, 1)
    }
    return {
        "i": place, "agent": key.agent, "first": first, "others": others, "low": low, "high": high,
    } | bounds  # fmt: skip
