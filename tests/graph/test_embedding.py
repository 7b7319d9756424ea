"""The model that computes embeddings, in its own process."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator

import pytest

from graph.embedding import BYTES, DIMENSION, LONGEST, LocalModel, Role, plain, unpack
from graph.errors import DeadlineExceeded, Unavailable
from tests.embeddings import needs_model

pytestmark = needs_model


@pytest.fixture(scope="module")
async def model() -> AsyncIterator[LocalModel]:
    model = LocalModel()
    yield model
    model.close()


async def embed(model: LocalModel, role: Role, *texts: str) -> list[list[float]]:
    return [unpack(each) for each in await model.embed(role, texts, seconds=30)]


def likeness(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


async def test_what_means_the_same_is_alike(model: LocalModel):
    (asked,) = await embed(model, Role.QUERY, "Who baked bread?")
    loaf, storm = await embed(model, Role.PASSAGE, "Ada took fresh loaves out of the oven.", "A storm sank the ship.")
    assert [len(each) for each in (asked, loaf, storm)] == [DIMENSION] * 3
    assert likeness(loaf, loaf) == pytest.approx(1, abs=1e-5)
    assert likeness(asked, loaf) > likeness(asked, storm)


async def test_a_text_means_another_thing_as_a_query(model: LocalModel):
    (query,), (passage,) = await embed(model, Role.QUERY, "tea"), await embed(model, Role.PASSAGE, "tea")
    assert 0.5 < likeness(query, passage) < 0.999


async def test_the_company_of_others_makes_no_difference(model: LocalModel):
    texts = ["tea", "Mills grind.", "x" * 300]
    alone = [(await embed(model, Role.PASSAGE, text))[0] for text in texts]
    for one, other in zip(alone, await embed(model, Role.PASSAGE, *texts), strict=True):
        assert likeness(one, other) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize(
    "text", ["", " ", "a\0b", "\ud800", "\ufdfa" * 300, "😀" * 100, "\x01\uffff"], ids=lambda text: ascii(text[:4])
)
async def test_any_text_has_an_embedding(model: LocalModel, text: str):
    (found,) = await model.embed(Role.PASSAGE, [text], seconds=30)
    assert len(found) == BYTES


def test_what_would_overrun_the_library_is_decomposed_before():
    assert plain("\ufdfa" * 1000).startswith("صلى الله عليه وسلم")
    assert len(plain("\ufdfa" * 1000)) == LONGEST
    assert plain("a\0b\ud800") == "a b"


async def test_a_process_that_dies_or_takes_too_long_is_an_error_and_the_next_is_well(model: LocalModel):
    long = ["some words that take a while " * 60] * 30
    with pytest.raises(DeadlineExceeded):
        await model.embed(Role.PASSAGE, long, seconds=0.01)
    await embed(model, Role.PASSAGE, "tea")
    (worker,) = model._processes._idle
    computing = asyncio.create_task(model.embed(Role.PASSAGE, long, seconds=30))
    await asyncio.sleep(0.2)
    assert worker._pid
    os.kill(worker._pid, signal.SIGKILL)
    with pytest.raises(Unavailable, match="The process that computes embeddings came to an end"):
        await computing
    await embed(model, Role.PASSAGE, "tea")
