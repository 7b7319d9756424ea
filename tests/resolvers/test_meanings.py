"""Embeddings for all requests in flight: in batches, kept, and left out where they cannot be had in time."""

import asyncio
import logging
from collections.abc import AsyncIterator

import pytest

from graph.embedding import DIMENSION, LocalModel
from resolvers.meanings import FAILED, KEPT, MeaningKey, Meanings
from tests.embeddings import needs_model

pytestmark = needs_model


class Counted(LocalModel):
    """A model that notes what it is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[list[str]] = []

    async def embed(self, role, texts, *, seconds):
        self.asked.append(list(texts))
        return await super().embed(role, texts, seconds=seconds)


@pytest.fixture(scope="module")
async def model() -> AsyncIterator[Counted]:
    model = Counted()
    await Meanings(model).start()
    yield model
    model.close()


@pytest.fixture
def meanings(model: Counted) -> Meanings:
    model.asked.clear()
    return Meanings(model, patience=30)


async def ask(meanings: Meanings, *texts: str) -> list[tuple[float, ...]]:
    return await meanings.answer([MeaningKey(text) for text in texts])


async def test_requests_of_a_moment_share_a_batch(meanings: Meanings, model: Counted):
    found = await asyncio.gather(*(meanings.of_passages([f"tea {number % 8}"]) for number in range(16)))
    assert [sorted(each) for each in found] == [[f"tea {number % 8}"] for number in range(16)]
    assert sorted(text for batch in model.asked for text in batch) == [f"tea {number}" for number in range(8)]
    assert len(model.asked) == 1


async def test_the_same_question_is_computed_once(meanings: Meanings, model: Counted):
    first = await ask(meanings, "tea", "tea", "rain")
    assert await ask(meanings, "rain", "tea") == [first[2], first[0]]
    assert model.asked == [["tea", "rain"]]
    meanings.forget()
    await ask(meanings, "tea")
    assert model.asked == [["tea", "rain"], ["tea"]]
    assert (meanings.computed, meanings.lacking) == (3, 0)


async def test_what_is_kept_is_bounded(meanings: Meanings):
    meanings._kept.update((f"question {number}", b"\0" * 4 * DIMENSION) for number in range(KEPT))
    await ask(meanings, "question 0", "tea")
    assert len(meanings._kept) == KEPT
    assert {"question 0", "tea"} <= meanings._kept.keys()
    assert "question 1" not in meanings._kept


async def test_what_cannot_be_had_in_time_is_left_out(model: Counted, caplog: pytest.LogCaptureFixture):
    texts = [f"{number}: some words that take a while" for number in range(60)]
    meanings = Meanings(model, patience=0.3)
    with caplog.at_level(logging.WARNING, "ecs"):
        found = await meanings.of_passages(texts)
        assert len(found) < len(texts)
        assert meanings.lacking == len(texts) - len(found)
        await meanings.of_passages(texts[::-1])
    assert len([each for each in caplog.messages if "more embeddings are wanted" in each]) == 1


async def test_who_comes_when_there_is_much_to_do_is_not_kept_waiting(meanings: Meanings, model: Counted):
    much = asyncio.create_task(meanings.of_passages([f"{number}: a while" * 50 for number in range(8)]))
    await asyncio.sleep(0)
    assert await meanings.of_passages(["tea"]) == {}
    assert not much.done()
    # Questions wait for one batch alone.
    assert await ask(meanings, "tea") != [()]
    assert not much.done()
    assert len(await much) == 8
    assert len(await meanings.of_passages(["tea"])) == 1


async def test_without_the_model_everything_does_without(caplog: pytest.LogCaptureFixture):
    model = LocalModel()
    model.close()
    meanings = Meanings(model)
    with caplog.at_level(logging.WARNING, "ecs"):
        assert await meanings.of_passages(["tea", "rain"]) == {}
        assert await ask(meanings, "tea") == [()]
    assert [each.partition(":")[0] for each in caplog.messages] == [FAILED]
    assert await ask(Meanings(None), "tea") == [()]
