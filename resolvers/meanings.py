"""What texts mean, as embeddings: those of all requests in flight are computed in batches.

A text whose embedding cannot be had in time does without: what is written is written, what is recalled comes by words.
"""

import asyncio
import logging
import time
from collections import Counter, OrderedDict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from graph.embedding import LONGEST, LocalModel, Role, unpack
from graph.errors import DeadlineExceeded, Unavailable
from resolvers.lanes import STOPPED, Lane

log = logging.getLogger("ecs.embeddings")

# Characters that go to the model together: more would hold up what comes after without being much cheaper each.
TOGETHER = 1500
# What a text costs beside its characters, in characters.
OVERHEAD = 40
# Seconds a character, until it is known; and how much the latest batch counts for what is known.
PACE = 0.0005
LATEST = 0.2

# Seconds that the first text may take, and a batch later.
START = 60.0
DEADLINE = 10.0
# Seconds that whoever asks waits at most, of them for what others asked before; writes go on when there is more.
PATIENCE = 3.0
BACKLOG = 0.5
# Seconds for which the model is left alone after it failed.
REST = 30.0
# Seconds after which the same trouble is told of again.
QUIET = 600.0
# Queries whose embeddings are kept, 1.5 kB each.
KEPT = 1000

FAILED = "memories and questions do without embeddings for the moment (`ecs embed` adds those of memories)"
BUSY = "more embeddings are wanted than can be computed in time: some do without (`ecs embed` adds those of memories)"


@dataclass(frozen=True, slots=True)
class MeaningShape:
    lane: str = "meaning"


@dataclass(frozen=True, slots=True)
class MeaningKey:
    """The embedding of what is asked; empty where there is none to be had."""

    text: str
    shape: MeaningShape = MeaningShape()


@dataclass(frozen=True, slots=True)
class Text:
    """What the model is asked for."""

    shape: Role
    text: str

    @property
    def weight(self) -> int:
        return OVERHEAD + len(self.text)


class Meanings:
    """The embeddings of texts, by a model if there is one. Whoever asks for the same at the same moment shares it."""

    def __init__(self, model: LocalModel | None, *, patience: float = PATIENCE) -> None:
        self._model = model
        self._patience = patience
        self._lane = Lane(self._compute, 1, TOGETHER, weigh=lambda text: text.weight)
        self._waiting: Counter[Role] = Counter()
        self._pace = PACE
        self._rests_until = 0.0
        self._told: dict[str, float] = {}
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        # Texts whose embeddings were computed, and those that did without.
        self.computed = 0
        self.lacking = 0

    async def start(self) -> None:
        """Starts the model, so that the first who asks need not wait for that."""
        if self._model:
            try:
                await self._model.embed(Role.QUERY, [""], seconds=START)
            except (Unavailable, DeadlineExceeded) as error:
                self._fail(error)

    async def of_passages(self, texts: Collection[str]) -> dict[str, list[float]]:
        """Gives the embeddings of what is to be remembered, by text; those that cannot be had in time are left out."""
        parts = {text: Text(Role.PASSAGE, text[:LONGEST]) for text in texts}
        found = await self._find(list(parts.values()))
        return {text: unpack(found[part]) for text, part in parts.items() if part in found}

    async def answer(self, keys: Sequence[MeaningKey]) -> list[tuple[float, ...]]:
        """Gives the embeddings of what is asked, in the keys' order."""
        texts = [key.text[:LONGEST] for key in keys]
        missing = [Text(Role.QUERY, text) for text in texts if text not in self._kept]
        found = {each.text: embedding for each, embedding in (await self._find(missing)).items()}
        for text in texts:
            if text in self._kept:
                self._kept.move_to_end(text)
                found[text] = self._kept[text]
            elif text in found:
                self._kept[text] = found[text]
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return [tuple(unpack(found[text])) if text in found else () for text in texts]

    def forget(self) -> None:
        """Lets go of the embeddings that are kept."""
        self._kept.clear()

    async def _find(self, texts: Sequence[Text]) -> dict[Text, bytes]:
        """Gives the embeddings that can be had in time."""
        if self._model is None or not texts:
            return {}
        wanted = len(set(texts))
        if time.monotonic() < self._rests_until:
            self.lacking += wanted
            return {}
        answers: dict[Text, asyncio.Future[bytes]] = {}
        # Passages and queries take turns.
        waiting = self._waiting[texts[0].shape]
        if waiting * self._pace <= BACKLOG:
            for text in dict.fromkeys(texts):
                waiting += text.weight
                if answers and waiting * self._pace > self._patience:
                    break
                answers[text] = self._add(text)
        if answers:
            # Nothing is cancelled: others may wait for the same.
            await asyncio.wait(answers.values(), timeout=self._patience)
        found = {text: each.result() for text, each in answers.items() if each.done() and not each.exception()}
        self.lacking += wanted - len(found)
        if len(found) < wanted and time.monotonic() >= self._rests_until:
            self._tell(BUSY, f"{len(texts) - len(found)} of {len(texts)} at once")
        return found

    def _add(self, text: Text) -> asyncio.Future[bytes]:
        def done(_: asyncio.Future[bytes]) -> None:
            self._waiting[text.shape] -= text.weight

        answer = self._lane.add(text)
        self._waiting[text.shape] += text.weight
        answer.add_done_callback(done)
        return answer

    async def _compute(self, role: Any, texts: Sequence[Text]) -> list[bytes]:
        if self._model is None:
            raise Unavailable(STOPPED)
        started = time.monotonic()
        try:
            found = await self._model.embed(role, [each.text for each in texts], seconds=DEADLINE)
        except (Unavailable, DeadlineExceeded) as error:
            self._fail(error)
            raise
        self.computed += len(found)
        pace = (time.monotonic() - started) / sum(each.weight for each in texts)
        self._pace += LATEST * (pace - self._pace)
        if self._told.pop(FAILED, None):
            log.info("embeddings are computed again")
        return found

    def _fail(self, error: Unavailable | DeadlineExceeded) -> None:
        self._rests_until = time.monotonic() + REST
        self._tell(FAILED, error.message)

    def _tell(self, trouble: str, details: str) -> None:
        """Warns of trouble, unless it was told of lately."""
        now = time.monotonic()
        if now >= self._told.get(trouble, 0.0):
            log.warning("%s: %s", trouble, details)
            self._told[trouble] = now + QUIET

    async def close(self) -> None:
        """Ends what is computed."""
        await self._lane.close()
        if self._model:
            self._model.close()
