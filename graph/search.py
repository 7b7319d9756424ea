"""Memories found by their words: pages of hits in the order of their scores, counts and summaries.

Scores are Lucene's BM25 over the whole society, so that they compare across agents. They move a little whenever
something is written, and a cursor, which holds a score, with them.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from graph.database import Database
from graph.errors import BadInput
from graph.filters import Filter, parameters_of, values_of, words_of
from graph.listing import all_of
from graph.model import Memory
from graph.page import Page, Values
from graph.pages import FloatSummary
from graph.rows import projection, reader

MEMORY_INDEX = "memory_search"
LONGEST_SEARCH = 10_000
# Lucene refuses more than 1024 clauses; what comes after the first words says little that they have not said.
MOST_CLAUSES = 500
EVERYTHING = 2**31 - 1

# What has a meaning in Lucene's query syntax; AND, OR and NOT have theirs in capitals only.
SYNTAX = re.compile(r'([+\-!(){}\[\]^"~*?:\\/&|<>=])')

# The index follows commits within some tens of milliseconds. To wait for it costs nothing when it is up to date,
# and so what was written is found at once.
CAUGHT_UP = "CALL db.index.fulltext.awaitEventuallyConsistentIndexRefresh()"

# To look for the owner in the index as well takes milliseconds; to look at everybody's hits takes hundreds.
HITS = f"""CALL db.index.fulltext.queryNodes('{MEMORY_INDEX}',
    CASE WHEN k.agent IS NULL THEN '' ELSE '+agentId:"' + k.agent + '"^0 ' END + '+content:(' + k.text + ')',
    {{limit: k.hits}}) YIELD node AS n, score"""
# Of an owner alone, a word without meaning makes a hit with no score.
FOUND = "score > 0 AND (k.agent IS NULL OR n.agentId = k.agent)"


@dataclass(frozen=True, slots=True)
class MemorySearch:
    """What pages of found memories have in common: a filter, a size, and which bounds there are."""

    filter: Filter | None
    limit: int
    after: bool = False
    before: bool = False

    @property
    def lane(self) -> str:
        return "search memories"

    @property
    def query(self) -> "MemorySearch":
        return replace(self, filter=self.filter.open) if self.filter else self


@dataclass(frozen=True, slots=True)
class MemoryTally:
    """How many memories are found; or, as a `summary`, what their importance is."""

    filter: Filter | None
    summary: bool = False

    @property
    def lane(self) -> str:
        return "search memories.tally"

    @property
    def query(self) -> "MemoryTally":
        return replace(self, filter=self.filter.open) if self.filter else self


@dataclass(frozen=True, slots=True)
class SearchKey:
    """What is searched for, in whose possession (an agent's id, or None for everybody's), and between which bounds."""

    shape: Any
    text: str | None
    agent: str | None = None
    after: Values = ()
    before: Values = ()


def read_words(text: str) -> str:
    """Turns any text into a Lucene query for its words, of which any may be found; '' if it has none.

    Raises BadInput for a text that is too long.
    """
    if len(text) > LONGEST_SEARCH:
        raise BadInput(f"may be {LONGEST_SEARCH} characters long at most, is {len(text)}.", "text")
    words: list[str] = []
    clauses = 0
    # What JSON can write and UTF-8 cannot is no word.
    for word in dict.fromkeys(text.encode(errors="ignore").decode().lower().split()):
        # Any of the others may stand between words, or be one.
        clauses += 1 + sum(not (each.isascii() and each.isalnum()) for each in word)
        if clauses > MOST_CLAUSES:
            break
        words.append(SYNTAX.sub(r"\\\1", word))
    return " ".join(words)


@lru_cache(maxsize=256)
def search_text(predicate: str, *, after: bool, before: bool) -> str:
    """The query that reads the best hits of each key, how many hits it has looked at, and the last one's score."""
    bounds: list[str] = []
    if after:
        bounds.append("CASE WHEN score < k.a0 THEN true WHEN score > k.a0 THEN false ELSE n.id > k.a1 END")
    if before:
        bounds.append("CASE WHEN score > k.b0 THEN true WHEN score < k.b0 THEN false ELSE n.id < k.b1 END")
    return f"""
    {CAUGHT_UP}
    UNWIND $keys AS k
    CALL (k) {{
        {HITS}
        RETURN collect(n) AS hits, collect(score) AS scores
    }}
    CALL (k, hits, scores) {{
        UNWIND range(0, size(hits) - 1) AS place
        WITH hits[place] AS n, scores[place] AS score
        WHERE {all_of(FOUND, predicate, *bounds)}
        WITH n, score ORDER BY score DESC, n.id LIMIT $limit
        RETURN collect([{projection(Memory)}, score, n.id]) AS rows
    }}
    RETURN k.i, rows, size(hits), scores[-1]
    """


@lru_cache(maxsize=256)
def tally_text(predicate: str, *, summary: bool) -> str:
    """The query that counts or summarises all hits of each key."""
    figures = "[min(n.importance), max(n.importance), avg(n.importance), sum(n.importance)]"
    return f"""
    {CAUGHT_UP}
    UNWIND $keys AS k
    CALL (k) {{
        {HITS}
        WITH n WHERE {all_of(FOUND, predicate)}
        RETURN {figures if summary else "count(n)"} AS found
    }}
    RETURN k.i, found
    """


async def fetch_found(database: Database, shape: MemorySearch, keys: list[SearchKey], deadline: float) -> list[Page]:
    """Reads the pages of hits, in the keys' order: the best first, those of the same score by id.

    Lucene gives the best hits, of the same score in an order of its own. So a page is known when its last score
    is better than that of the last hit that was looked at; else more are looked at.
    """
    pages: dict[int, Page] = {place: Page([], [], False) for place, key in enumerate(keys) if not key.text}
    hits = 4 * shape.limit + 100
    while open := [place for place in range(len(keys)) if place not in pages]:
        rows = [row(keys[place], place, hits) for place in open]
        text = search_text(words_of(shape.filter), after=shape.after, before=shape.before)
        given = {"keys": rows, "limit": shape.limit + 1} | parameters_of(shape.filter)
        for place, found, seen, last in await database.read(shape.lane, text, given, deadline=deadline):
            worst = found[shape.limit - 1][-2] if len(found) > shape.limit else last
            if seen < hits or worst > last or (found and not shape.limit):
                pages[place] = page_of(found, shape.limit)
        hits = hits * 8 if hits < 100_000 else EVERYTHING
    return [pages[place] for place in range(len(keys))]


def page_of(rows: list[list[Any]], limit: int) -> Page:
    read = reader(Memory)
    shown = rows[:limit]
    return Page([read(each) for each in shown], [tuple(each[-2:]) for each in shown], len(rows) > limit)


async def fetch_tallies(database: Database, shape: MemoryTally, keys: list[SearchKey], deadline: float) -> list[Any]:
    """Counts all hits of each key, or summarises their importance."""
    rows = [row(key, place, EVERYTHING) for place, key in enumerate(keys) if key.text]
    text = tally_text(words_of(shape.filter), summary=shape.summary)
    given = {"keys": rows} | parameters_of(shape.filter)
    records = await database.read(shape.lane, text, given, deadline=deadline) if rows else []
    found: dict[int, Any] = {place: value for place, value in records}  # noqa: C416 — a dict() of lists has no type
    if not shape.summary:
        return [found.get(place, 0) for place in range(len(keys))]
    nothing = (None, None, None, 0.0)
    return [{"importance": FloatSummary(*found.get(place, nothing))} for place in range(len(keys))]


def row(key: SearchKey, place: int, hits: int) -> Mapping[str, Any]:
    bounds = {f"{name}{at}": value for name, bound in (("a", key.after), ("b", key.before))
              for at, value in enumerate(bound)}  # fmt: skip
    return {"i": place, "text": key.text, "agent": key.agent, "hits": hits} | bounds | values_of(key.shape.filter)
