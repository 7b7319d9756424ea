"""Knowledge by the beginnings of words, against the same search in Python."""

import unicodedata

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graph.database import Database
from graph.mentions import LONGEST_WORD, MOST_WORDS, fold, mentions, words_in
from graph.migrations import fill_mentions
from graph.page import Page
from graph.prefixes import KnowledgeSearch, KnowledgeTally, fetch_knowledge, fetch_knowledge_tallies, read_prefix
from graph.search import SearchKey
from tests.random_society import Society, make_society, write_society

TEXT = st.text(
    st.one_of(st.sampled_from("teaTÉé '-_!0\u0131İß\u017fﬁ日\U0001d518"), st.characters(codec="utf-8")), max_size=30
)


@given(TEXT)
def test_folding_twice_is_folding_once(text: str):
    assert fold(fold(text)) == fold(text)
    assert fold(text.upper().lower()) == fold(text.lower()) or text.upper().lower().casefold() != text.casefold()
    assert fold(unicodedata.normalize("NFD", text)) == fold(text)


@given(TEXT, TEXT)
def test_what_is_mentioned(topic: str, content: str):
    found = dict(map(tuple, mentions(topic, content)))
    assert list(found)[: len(words_in(topic))] == words_in(topic)
    assert set(found) == {*words_in(topic), *words_in(content)}
    assert all(found[word] == 0 for word in words_in(topic))
    assert all(0 < len(word) <= LONGEST_WORD for word in found)


def test_a_long_content_mentions_no_more_than_it_may():
    found = mentions("long words", " ".join(f"word{place}" for place in range(3000)))
    assert len(found) == MOST_WORDS
    assert found[:2] == [["long", 0], ["words", 0]]


@pytest.fixture(scope="module")
async def society(migrated: Database) -> Society:
    society = make_society(11, agents=5, each=60)
    for place, knowledge in enumerate(society.knowledge):
        knowledge["content"] += f" {['Team', 'tee', 'Ära', 'TEA'][place % 4]} {place % 7}x"
    await write_society(migrated, society)
    await fill_mentions(migrated)
    return society


def expected(society: Society, prefix: str, agent: str | None) -> list[str]:
    """Finds ids in order, the slow way."""
    beginnings = read_prefix(prefix)
    if beginnings is None:
        return []
    first, *others = beginnings.split() or [""]
    found: list[tuple[str, int, str]] = []
    for each in society.knowledge:
        places = dict(map(tuple, mentions(each["topicName"], each["content"])))
        fitting = sorted(word for word in places if word.startswith(first))
        owned = agent is None or each["agentId"] == agent
        if owned and fitting and all(any(word.startswith(other) for word in places) for other in others):
            found.append((fitting[0], places[fitting[0]], each["id"]))
    return [id for _, _, id in sorted(found)]


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(st.sampled_from(["", "t", "te", "tea", "TEE", "ar", "x", "t 1x", "0x te", "a b", "c", "naive", "zz", "!"]),
       st.integers(-1, 4), st.integers(1, 30))  # fmt: skip
async def test_pages_are_those_of_a_slow_search(migrated: Database, society: Society, prefix: str, of: int, size: int):
    agent = society.agents[of]["id"] if of >= 0 else None
    ids = expected(society, prefix, agent)
    text, after, seen = read_prefix(prefix), (), list[str]()
    while True:
        shape = KnowledgeSearch(size, after=bool(after))
        (page,) = await fetch_knowledge(migrated, shape, [SearchKey(shape, text, agent, after)], 10)
        assert isinstance(page, Page)
        seen += [item.id for item in page.items]
        if not page.more:
            break
        after = page.positions[-1]
    assert seen == ids
    tally = KnowledgeTally()
    assert await fetch_knowledge_tallies(migrated, tally, [SearchKey(tally, text, agent)], 10) == [len(ids)]
