"""Searches: lists of what was found, best first, paged like every other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2s
from typing import Any

from graph.errors import NotFound
from graph.filters import compile_filter
from graph.lookups import AGENT_BY_KEY, LookupKey
from graph.model import Memory
from graph.page import Page, Values
from graph.prefixes import KnowledgeSearch, KnowledgeTally, read_prefix
from graph.search import MemorySearch, MemoryTally, SearchKey, read_words
from resolvers.connections import Window
from resolvers.cursors import decode_position, encode_cursor
from resolvers.loaders import Reading, Step
from resolvers.steps import derive


@dataclass(frozen=True, slots=True)
class FoundList:
    """What was found, by pages: what to ask for each part of it, and what the answers mean."""

    key: SearchKey
    mark: str
    count_key: SearchKey
    summary_key: SearchKey

    def cursor_at(self, position: Values) -> str:
        """Writes the cursor of a position."""
        return encode_cursor(self.mark, position)

    def goes_on(self, page: Page, *, backward: bool) -> bool:
        """Says whether the page was cut off at that end by its size."""
        return page.more and not backward

    def probe(self, page: Page, *, backward: bool) -> SearchKey | None:
        """Asks for the best of all, where it may come before a page that a cursor cut off."""
        if not (backward and self.key.after):
            return None
        bound = page.positions[0] if page.positions else ()
        shape = replace(self.key.shape, limit=1, after=False, before=bool(bound))
        return replace(self.key, shape=shape, after=(), before=bound)


def search_memories(text: str, *, agent: str | None, window: Window, filter: Mapping[str, Any] | None) -> Step:
    """Searches what all remember, or the agent with a key. Raises BadInput for arguments that make no sense."""
    words, passing = read_words(text), compile_filter(Memory, filter)
    shape = MemorySearch(passing, window.size, after=window.after is not None)
    tallies = MemoryTally(passing), MemoryTally(passing, summary=True)
    return search(shape, words, tallies, agent=agent, window=window, kinds=(float, str))


def search_knowledge(prefix: str, *, agent: str | None, window: Window) -> Step:
    """Searches what all know, or the agent with a key, by what somebody has typed. Raises BadInput."""
    shape = KnowledgeSearch(window.size, after=window.after is not None)
    tallies = KnowledgeTally(), KnowledgeTally()
    return search(shape, read_prefix(prefix), tallies, agent=agent, window=window, kinds=(str, int, str))


def search(
    shape: MemorySearch | KnowledgeSearch,
    words: str | None,
    tallies: tuple[Any, Any],
    *,
    agent: str | None,
    window: Window,
    kinds: Sequence[type],
) -> Step:
    """Opens the list of what is found; `kinds` are those of its cursors' values."""
    mark = blake2s(f"{shape.lane}|{agent}|{words}".encode(), digest_size=6).hexdigest()
    after: Values = ()
    if window.after is not None:
        after = decode_position(window.after, argument="after", mark=mark, kinds=kinds)

    def found_of(owner: str | None) -> FoundList:
        count, summary = (SearchKey(tally, words, owner) for tally in tallies)
        return FoundList(SearchKey(shape, words, owner, after), mark, count, summary)

    def step(objects: Sequence[Any]) -> Reading:
        (owner,) = yield [LookupKey(AGENT_BY_KEY, agent)]
        if owner is None:
            owner = NotFound(f"there is no agent {str(agent)[:60]!r}.", "agent")
        return [owner if isinstance(owner, Exception) else found_of(owner.id)] * len(objects)

    return derive(lambda _: found_of(None)) if agent is None else step
