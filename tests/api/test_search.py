"""Searches: what is found, in which order, page by page, and whatever the text."""

from typing import Any

import pytest

from graph.prefixes import LONGEST_PREFIX
from graph.search import LONGEST_SEARCH
from tests.api.conftest import Ask, Read
from tests.conftest import Api
from tests.mutations import ADD, DELETE, FORGET, LEARN, create, done

MEMORIES = """query($text: String!, $agent: String, $first: Int, $after: String, $filter: MemoryFilter) {
  searchMemories(text: $text, agent: $agent, first: $first, after: $after, filter: $filter) {
    edges { cursor node { id } } nodes { content agent { key } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    totalCount aggregate { count importance { min max average sum } }
  } }"""


@pytest.fixture
def found(read: Read):
    """Gives the contents that a search of memories finds."""

    async def search(text: str, **given: Any) -> list[str]:
        answer = (await read(MEMORIES, text=text, **given))["searchMemories"]
        assert answer["totalCount"] == answer["aggregate"]["count"]
        return [node["content"] for node in answer["nodes"]]

    return search


@pytest.mark.usefixtures("society")
class TestMemories:
    async def test_the_best_come_first(self, found):
        assert await found("tea friends") == ["Tea makes friends", "Buy tea", "Bo and Cy like tea"]

    async def test_words_are_found_in_other_forms(self, found):
        assert await found("BUYING") == ["Buy tea"]
        assert await found("talks") == ["Talked of rain"]

    async def test_of_one_agent(self, found):
        assert await found("tea", agent="bo") == ["Buy tea"]
        assert await found("mill", agent="bo") == []

    async def test_an_agent_that_is_none(self, ask: Ask):
        (error,) = (await ask(MEMORIES, text="tea", agent="nobody"))["errors"]
        assert error["extensions"]["code"] == "NOT_FOUND"
        assert error["message"] == "agent: there is no agent 'nobody'."

    async def test_filters_apply(self, found):
        assert await found("tea", filter={"kind": ["PLAN", "THOUGHT"]}) == ["Buy tea", "Bo and Cy like tea"]
        assert await found("tea", filter={"aboutAgent": "cy/ü %2F"}) == ["Bo and Cy like tea"]
        assert await found("tea", filter={"or": [{"importance": {"gte": 1}}, {"content": {"startsWith": "Bo"}}]}) == [
            "Tea makes friends", "Bo and Cy like tea",
        ]  # fmt: skip

    async def test_figures(self, read: Read):
        answer = (await read(MEMORIES, text="tea", first=1))["searchMemories"]
        assert answer["totalCount"] == 3
        figures = {"min": 0.0, "max": 1.0, "average": 0.5, "sum": 1.5}
        assert answer["aggregate"] == {"count": 3, "importance": figures}

    async def test_page_by_page(self, read: Read):
        whole = (await read(MEMORIES, text="tea friends"))["searchMemories"]["edges"]
        seen, after = [], None
        for place in range(3):
            page = (await read(MEMORIES, text="tea friends", first=1, after=after))["searchMemories"]
            seen += page["edges"]
            assert page["totalCount"] == 3
            after = page["pageInfo"]["endCursor"]
            assert page["pageInfo"] == {
                "hasNextPage": place < 2, "hasPreviousPage": place > 0, "startCursor": after, "endCursor": after,
            }  # fmt: skip
        assert seen == whole
        end = (await read(MEMORIES, text="tea friends", after=after))["searchMemories"]
        assert end["edges"] == []
        assert end["pageInfo"]["hasPreviousPage"] is True

    async def test_a_cursor_belongs_to_its_search(self, read: Read, ask: Ask):
        after = (await read(MEMORIES, text="tea"))["searchMemories"]["pageInfo"]["endCursor"]
        for given in ({"text": "rain"}, {"text": "tea", "agent": "bo"}):
            (error,) = (await ask(MEMORIES, after=after, **given))["errors"]
            assert error["extensions"]["code"] == "BAD_USER_INPUT"
        (error,) = (await ask(MEMORIES, text="tea", after="nonsense"))["errors"]
        assert error["extensions"]["code"] == "BAD_USER_INPUT"

    @pytest.mark.parametrize("agent", [None, "ada"])
    @pytest.mark.parametrize(
        "text",
        [
            *("", " \t\n", "!!!", "AND OR NOT", "AND", "the", '"', "'", '"tea', "tea)", "(tea", "tea\\", "\\", "tea^2"),
            *(
                "content:tea",
                "agentId:x",
                "te*",
                "?",
                "~",
                "[a TO b]",
                "{a TO b}",
                "/tea/",
                "&& ||",
                "+tea -tea",
                "<=>",
            ),
            *(
                "\x00",
                "\ufffd",
                "日本語" * 300,
                "😀",
                "ﬁ ǅ ß İ",
                "\u202e",
                "a\u3000b",
                "x" * LONGEST_SEARCH,
                "é" * 9000,
            ),
            " ".join(f"word{place}" for place in range(1100)),
        ],
    )
    async def test_any_text_may_be_looked_for(self, found, text: str, agent: str | None):
        assert len(await found(text, agent=agent)) <= 5

    async def test_what_looks_like_syntax_is_looked_for_as_words(self, found):
        assert await found('+"rain" NOT(plan*)') == ["Talked of rain"]
        assert len(await found("tea OR rain")) == 4

    async def test_a_text_that_is_too_long(self, ask: Ask):
        (error,) = (await ask(MEMORIES, text="x" * (LONGEST_SEARCH + 1)))["errors"]
        assert error["extensions"]["code"] == "BAD_USER_INPUT"
        assert error["message"] == "text: may be 10000 characters long at most, is 10001."


async def test_what_was_just_written_is_found_and_what_was_forgotten_is_not(api: Api):
    await create(api, "ada")
    for number in range(20):
        word = f"zebra{number}"
        payload = await done(api, ADD, memories=[{"agent": "ada", "content": f"Saw {word}.", "importance": 0.5}])
        (memory,) = payload["memories"]
        answer = (await api(MEMORIES, text=word))["data"]["searchMemories"]
        assert [edge["node"]["id"] for edge in answer["edges"]] == [memory["id"]]
        await done(api, FORGET, ids=[memory["id"]])
        assert (await api(MEMORIES, text=word))["data"]["searchMemories"]["edges"] == []


async def test_ties_are_cut_by_id_however_many_there_are(api: Api):
    await create(api, "ada")
    given = [{"agent": "ada", "content": "Rain again.", "importance": 0.5} for _ in range(900)]
    made = (await done(api, ADD, memories=given))["memories"]
    seen, after = [], None
    while True:
        page = (await api(MEMORIES, text="rain", first=400, after=after))["data"]["searchMemories"]
        seen += [edge["node"]["id"] for edge in page["edges"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert seen == sorted(memory["id"] for memory in made)
    first = (await api(MEMORIES, text="rain", first=3))["data"]["searchMemories"]
    assert [edge["node"]["id"] for edge in first["edges"]] == seen[:3]
    assert first["totalCount"] == 900


KNOWLEDGE = """query($prefix: String!, $agent: String, $first: Int, $after: String) {
  searchKnowledge(prefix: $prefix, agent: $agent, first: $first, after: $after) {
    edges { cursor node { id } } nodes { content agent { key } topic { name } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor } totalCount
  } }"""
FACTS = [
    ("ada", "tea", "Brew it at 80 °C."),
    ("ada", "Paris", "The sewers lead to the river."),
    ("ada", "Éponine", "She sang; she fell."),
    ("bo", "Teapots", "Some are older than tea itself."),
    ("bo", "trains", "The one to Łódź is late. Teams wait."),
    ("bo", "!!!", "???"),
]


async def learn(api: Api, *facts: tuple[str, str, str]) -> None:
    given = [{"agent": agent, "topic": topic, "content": content, "confidence": 0.5} for agent, topic, content in facts]
    await done(api, LEARN, knowledge=given)


@pytest.fixture
async def typed(api: Api):
    """Gives the topics that a search of knowledge finds, in a society that has just learned."""
    await create(api, "ada", "bo")
    await learn(api, *FACTS)

    async def search(prefix: str, **given: Any) -> list[str]:
        answer = await api(KNOWLEDGE, prefix=prefix, **given)
        assert "errors" not in answer, answer["errors"]
        found = answer["data"]["searchKnowledge"]
        assert found["totalCount"] == len(found["nodes"])
        return [node["topic"]["name"] for node in found["nodes"]]

    return search


async def test_knowledge_as_one_types(typed):
    # By the first word that fits: tea (the topic's, the content's), teams.
    assert await typed("t") == ["tea", "Teapots", "trains", "Paris"]
    assert await typed("te") == ["tea", "Teapots", "trains"]
    assert await typed("teap") == ["Teapots"]
    assert await typed("teapots x") == []
    assert await typed("te", agent="bo") == ["Teapots", "trains"]
    assert await typed("sewers par") == await typed("pari RIV") == ["Paris"]


async def test_case_and_diacritics_make_no_difference(typed):
    for text in ("epo", "ÉPO", "e\u0301po", "Epo"):
        assert await typed(text) == ["Éponine"]
    for text in ("lodz", "ŁÓD", "łodz"):
        assert await typed(text) == ["trains"]


async def test_nothing_typed_is_everything_with_a_word(typed):
    assert sorted(await typed("")) == sorted(await typed("  ")) == ["Paris", "Teapots", "tea", "trains", "Éponine"]


@pytest.mark.parametrize(
    "text", ["!!!", '"', "\\", "*", "te*", "\x00", "\U0001d518", "日本", "\U0010ffff", "\uffff", "_", "x_y"]
)
async def test_any_prefix_may_be_typed(typed, text: str):
    assert await typed(text) in ([], ["tea", "Teapots", "trains"], ["tea", "Teapots", "trains", "Paris"])


async def test_a_prefix_that_is_too_long(api: Api):
    answer = await api(KNOWLEDGE, prefix="x" * (LONGEST_PREFIX + 1))
    assert answer["errors"][0]["message"] == "prefix: may be 200 characters long at most, is 201."


async def test_knowledge_page_by_page(api: Api):
    await create(api, "ada", "bo")
    topics = ("tea", "team", "Tee", "ten", "the")
    facts = [(agent, topic, f"{topics[at % 4]} {topics[at % 3]} {at}") for agent in ("ada", "bo")
             for topic in topics for at in range(12)]  # fmt: skip
    await learn(api, *facts)
    for agent in (None, "bo"):
        for prefix in ("te", "tea", "", "t 1"):
            given = {"prefix": prefix, "agent": agent}
            whole = (await api(KNOWLEDGE, first=1000, **given))["data"]["searchKnowledge"]
            found = [edge["node"]["id"] for edge in whole["edges"]]
            assert len(set(found)) == len(found) == whole["totalCount"]
            seen, after = [], None
            while True:
                page = (await api(KNOWLEDGE, first=7, after=after, **given))["data"]["searchKnowledge"]
                seen += page["edges"]
                assert page["pageInfo"]["hasPreviousPage"] is (after is not None)
                after = page["pageInfo"]["endCursor"]
                if not page["pageInfo"]["hasNextPage"]:
                    break
            assert seen == whole["edges"]


async def test_what_goes_is_not_found(api: Api, typed):
    await done(api, DELETE, keys=["bo"])
    assert await typed("te") == ["tea"]


async def test_topics_that_the_same_agents_know_of_are_related(api: Api):
    await create(api, "ada", "bo", "cy")
    await learn(
        api,
        *((agent, topic, "A fact.") for agent in ("ada", "bo") for topic in ("tea", "cups")),
        *((agent, "weather", "A fact.") for agent in ("ada", "bo", "cy")),
        ("ada", "mills", "A fact."),
        ("cy", "ships", "A fact."),
    )
    query = """query($first: Int) { tea: topic(name: "tea") { related(first: $first) { id name } }
        topics { nodes { name related(first: 1) { name } } } }"""
    found = (await api(query))["data"]
    # 2 of 2 and 2; 2 of 2 and 3; 1 of 2 and 1.
    assert [each["name"] for each in found["tea"]["related"]] == ["cups", "weather", "mills"]
    assert found["tea"]["related"][0]["id"] == "Topic:cups"
    most = {each["name"]: [one["name"] for one in each["related"]] for each in found["topics"]["nodes"]}
    assert most == {"cups": ["tea"], "mills": ["cups"], "ships": ["weather"], "tea": ["cups"], "weather": ["cups"]}
    assert (await api(query, first=0))["data"]["tea"] == {"related": []}
    (error,) = (await api(query, first=-1))["errors"][:1]
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
