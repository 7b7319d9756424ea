"""Searches: what is found, in which order, page by page, and whatever the text."""

from typing import Any

import pytest

from graph.search import LONGEST_SEARCH
from tests.api.conftest import Ask, Read
from tests.conftest import Api
from tests.mutations import ADD, FORGET, create, done

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
