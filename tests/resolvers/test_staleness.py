"""What the cache promises, on a model of it: every order of steps is tried, with every fault between them.

One tag, several writers and readers. A stored value may be found by whoever holds its stamp, or be gone, at any
time: so tiers, evictions and times to live are all in the model. The promises are that a read never gives less than
what was acknowledged before it began and, where stated, never less than what any read before it gave.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import pytest


@dataclass(frozen=True)
class Scheme:
    """The rules, each of which can be left out to see that it is needed."""

    closes: bool = True
    """A writer closes the tag before its commit, for longer than its transaction can last; else it only bumps it."""
    holders: bool = True
    """A tag that several writers closed opens with the last of them."""
    renews: bool = True
    """A writer gives the tag a new version after its commit, before it acknowledges."""
    early: bool = True
    """A reader takes the version before it reads the database."""
    replays: bool = True
    """A mutation that is sent again renews the tag, although it is written already."""
    epoch: bool = True
    """A writer that cannot reach Redis changes the epoch in the database."""
    waits: bool = True
    """It acknowledges only when every reader has seen the new epoch or trusts no cache."""


@dataclass(frozen=True)
class World:
    """Who takes part, and how many faults of each kind may happen."""

    writers: int = 1
    reads: tuple[int, ...] = (2, 1)
    crashes: int = 0
    losses: int = 0
    partitions: int = 0
    monotonic: bool = True


class Writer(NamedTuple):
    at: str = "idle"
    value: int = 0
    blind: bool = False
    sent_again: bool = False


class Reader(NamedTuple):
    left: int
    at: str = "idle"
    floor: int = 0
    seen: int | None = 0
    stamp: tuple[int, int] | None = None
    value: int = 0


class State(NamedTuple):
    writers: tuple[Writer, ...]
    readers: tuple[Reader, ...]
    crashes: int
    losses: int
    partitions: int
    stored: int = 0
    floor: int = 0
    epoch: int = 0
    # Nothing, a version, or the writers that have closed it.
    tag: int | frozenset[int] | None = None
    tokens: int = 0
    entries: frozenset[tuple[tuple[int, int], int]] = frozenset()


class Stale(Exception):
    """A read that broke the promise."""


def put(items: tuple, place: int, **changes: object) -> tuple:  # type: ignore[type-arg]
    return (*items[:place], items[place]._replace(**changes), *items[place + 1 :])


def write(s: State, i: int, scheme: Scheme) -> Iterator[State]:
    """Gives what may come of a writer's next step."""
    w = s.writers[i]

    def to(at: str, state: State = s, **changes: object) -> State:
        return state._replace(writers=put(state.writers, i, at=at, **changes))

    match w.at:
        case "idle":
            yield to("begun", mark(s, i, scheme))
            if s.partitions:
                yield to("begun", s._replace(partitions=s.partitions - 1), blind=True)
        case "begun":
            yield commit(s, i, "committed", scheme)
            if s.crashes:
                yield to("lingering", s._replace(crashes=s.crashes - 1))
        case "lingering":
            # Its transaction may still be committed, or not.
            yield commit(s, i, "dead", scheme)
            yield to("dead")
        case "committed":
            yield to("waiting" if w.blind else "renewed", s if w.blind else renew(s, i, scheme))
            if s.partitions and not w.blind:
                later = s._replace(partitions=s.partitions - 1)
                yield to("waiting", later._replace(epoch=s.epoch + 1) if scheme.epoch else later, blind=True)
            if s.crashes:
                yield to("dead", s._replace(crashes=s.crashes - 1))
        case "waiting":
            if not scheme.waits or all(each.seen in {None, s.epoch} for each in s.readers):
                yield to("renewed")
        case "renewed":
            yield to("done", s._replace(floor=max(s.floor, w.value)))
        case "dead":
            if isinstance(s.tag, frozenset) and i in s.tag:
                # Its time is over.
                yield s._replace(tag=s.tag - {i} or None)
            elif not w.sent_again:
                again = s if w.value and not scheme.replays else mark(s, i, scheme)
                at = "renewed" if w.value and not scheme.replays else "begun"
                yield to(at, again, sent_again=True, blind=False)


def mark(s: State, i: int, scheme: Scheme) -> State:
    if not scheme.closes:
        return s._replace(tag=s.tokens + 1, tokens=s.tokens + 1)
    held = s.tag if isinstance(s.tag, frozenset) else frozenset[int]()
    return s._replace(tag=held | {i})


def commit(s: State, i: int, at: str, scheme: Scheme) -> State:
    w = s.writers[i]
    value = w.value or s.stored + 1
    changed = s._replace(stored=max(s.stored, value), writers=put(s.writers, i, at=at, value=value))
    return changed._replace(epoch=s.epoch + 1) if w.blind and scheme.epoch else changed


def renew(s: State, i: int, scheme: Scheme) -> State:
    if not scheme.renews:
        return s
    others = s.tag - {i} if isinstance(s.tag, frozenset) and scheme.holders else frozenset[int]()
    return s._replace(tag=others) if others else s._replace(tag=s.tokens + 1, tokens=s.tokens + 1)


def read(s: State, i: int, scheme: Scheme, monotonic: bool) -> Iterator[State]:
    """Gives what may come of a reader's next step."""
    r = s.readers[i]

    def to(at: str, state: State = s, **changes: object) -> State:
        return state._replace(readers=put(state.readers, i, at=at, **changes))

    if r.seen is not None and r.seen != s.epoch:
        yield s._replace(readers=put(s.readers, i, seen=s.epoch))
        yield s._replace(readers=put(s.readers, i, seen=None))
    match r.at:
        case "idle" if r.left:
            yield to("begun", left=r.left - 1, floor=s.floor)
        case "begun":
            yield take(s, i, "took")
        case "took":
            for stamp, value in s.entries:
                if stamp == r.stamp:
                    yield to("has", value=value)
            yield to("read", value=s.stored)
        case "read":
            last = s if scheme.early else take(s, i, "read")
            stamp = last.readers[i].stamp
            yield to("has", last._replace(entries=last.entries | {(stamp, r.value)}) if stamp else last)
        case "has":
            if r.value < r.floor:
                raise Stale
            state = s._replace(floor=max(s.floor, r.value)) if monotonic else s
            yield to("idle", state, stamp=None, value=0, floor=0)
        case _:
            pass


def take(s: State, i: int, at: str) -> State:
    """Takes the tag's version, and makes one where there is none; a closed tag, or lost trust, gives no stamp."""
    seen = s.readers[i].seen
    if s.tag is None:
        s = s._replace(tag=s.tokens + 1, tokens=s.tokens + 1)
    stamp = None if isinstance(s.tag, frozenset) or seen is None else (seen, s.tag)
    return s._replace(readers=put(s.readers, i, at=at, stamp=stamp))


def explore(scheme: Scheme, world: World) -> int:
    """Goes through all that can happen and counts the states. Raises Stale."""
    readers = tuple(Reader(count) for count in world.reads)
    start = State((Writer(),) * world.writers, readers, world.crashes, world.losses, world.partitions)
    found, ahead = {start}, [start]
    while ahead:
        s = ahead.pop()
        following = [each for i in range(len(s.writers)) for each in write(s, i, scheme)]
        following += [each for i in range(len(s.readers)) for each in read(s, i, scheme, world.monotonic)]
        if s.losses and s.tag is not None:
            following.append(s._replace(tag=None, losses=s.losses - 1))
        for each in following:
            if each not in found:
                found.add(each)
                ahead.append(each)
    return len(found)


CRASH = World(crashes=1)
# What Redis forgets while a writer is between its marks may be read once new and then old, until it acknowledges.
LOSS = World(losses=1, monotonic=False)
TWO_WRITERS = World(writers=2, reads=(1, 1), crashes=1)
PARTITION = World(partitions=1, monotonic=False)
ALL_FAULTS = World(reads=(1, 1), crashes=1, losses=1, partitions=1, monotonic=False)


@pytest.mark.parametrize("world", [World(writers=2), CRASH, LOSS, TWO_WRITERS, PARTITION, ALL_FAULTS])
def test_no_order_of_steps_and_faults_gives_a_stale_read(world: World):
    assert explore(Scheme(), world) > 100


@pytest.mark.parametrize(
    ("scheme", "world"),
    [
        pytest.param(Scheme(closes=False), CRASH, id="only-bumped-before-the-commit"),
        pytest.param(Scheme(holders=False), World(writers=2, crashes=1), id="opened-by-the-first-of-two-writers"),
        pytest.param(Scheme(renews=False, closes=False), World(), id="not-bumped-after-the-commit"),
        pytest.param(Scheme(early=False), World(), id="version-taken-after-reading"),
        pytest.param(Scheme(closes=False, replays=False), World(crashes=1, monotonic=False), id="replay-not-bumped"),
        pytest.param(Scheme(epoch=False), PARTITION, id="no-epoch-without-redis"),
        pytest.param(Scheme(waits=False), PARTITION, id="no-wait-without-redis"),
    ],
)
def test_each_rule_is_needed(scheme: Scheme, world: World):
    with pytest.raises(Stale):
        explore(scheme, world)
