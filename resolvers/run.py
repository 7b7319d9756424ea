"""The execution of a plan, breadth first.

All objects that a field leads to are one batch: their columns are read by generated code, straight into the
dictionaries that become JSON, and each child runs its step once for the whole batch. What all steps of a moment
have to read is asked for together.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate, chain, pairwise
from operator import attrgetter
from typing import Any, cast

from graph.reads import Key, narrow
from resolvers.acts import Act, do_all
from resolvers.ahead import look_ahead
from resolvers.context import Context
from resolvers.failures import Told, is_sound, settle
from resolvers.found import Found
from resolvers.loaders import Loaders, Reading, Values
from resolvers.plan import Answer, Batch, BuildItems, Child, Failure, Leaf, Selection, Shape, Slot
from resolvers.steps import OpenLists

# A child of a batch's objects that has to read these keys, and what may answer it straight from what they lead to.
Waiting = tuple[Batch, Child, Sequence[Any], Reading, Sequence[Key], BuildItems | None]


class NothingLeft(Exception):
    """A failure made the whole answer null, so that there is nothing more to read."""


class Run:
    """One execution of a plan with the values of the operation's variables."""

    def __init__(self, variables: Any, loaders: Loaders) -> None:
        self._variables = variables
        self._found = Found(loaders)
        # Steps that were bound before their turn.
        self._steps: dict[Child, Any] = {}
        self._waiting: list[Waiting] = []
        self._failures: list[Failure] = []

    async def answer(self, root: Selection) -> tuple[Answer | None, list[Told]]:
        """Gives the data and the errors that are to be told, in the order of the data."""
        batch = Batch(root.build([None], []))
        try:
            self._go_down(root.children, batch, [None])
            while self._waiting:
                await self._go_on()
        except NothingLeft:
            pass
        return await settle(batch.answers[0], self._failures) if self._failures else (batch.answers[0], [])

    async def act(self, root: Selection, context: Context) -> tuple[Answer | None, list[Told]]:
        """Does what a mutation's fields say, one after another until one fails, and answers as `answer` does."""
        batch = Batch(root.build([None], []))
        left = root.children
        try:
            while left:
                values = await self._act(left, context)
                for child, value in zip(left, values, strict=False):
                    self._fill(batch, child, [value])
                    while self._waiting:
                        await self._go_on()
                left = left[len(values) :]
                # What was read may be otherwise after the next.
                self._found.forget()
        except NothingLeft:
            pass
        return await settle(batch.answers[0], self._failures)

    async def _act(self, children: Sequence[Child], context: Context) -> Values:
        """Does what the first of a mutation's fields say, one at least; gives what they lead to."""
        try:
            act = children[0].bind(self._variables)
            if isinstance(act, Act):
                return await do_all([act, *self._acts_after(children)], context)
            return [await act(context)]
        except Exception as error:
            return [error]

    def _acts_after(self, children: Sequence[Child]) -> Iterator[Act]:
        """Gives what the fields after the first do, as far as nothing has to be read in between."""
        for before, child in pairwise(children):
            try:
                act = before.closed and child.bind(self._variables)
            except Exception:
                # It is told in its turn.
                return
            if not isinstance(act, Act):
                return
            yield act

    async def _go_on(self) -> None:
        """Reads what all that wait need, and goes on with it."""
        waiting, self._waiting = self._waiting, []
        found = await self._found.load_many([key for *_, keys, _ in waiting for key in keys])
        start = 0
        for batch, child, objects, reading, keys, build in waiting:
            end = start + len(keys)
            self._resume(batch, child, objects, reading, found[start:end], build)
            start = end

    def _expand(self, selection: Selection, objects: Sequence[Any], place: Callable[[list[Any]], Batch]) -> Batch:
        """Answers objects of one type, as far as that is possible now; `place` puts their answers into a batch."""
        if selection.build_whole and (answers := selection.build_whole(objects)) is not None:
            batch = place(answers)
            self._go_down(selection.others, batch, objects)
            return batch
        odd: list[Any] = []
        batch = place(selection.build(objects, odd))
        if odd:
            for index, answer in enumerate(batch.answers):
                if answer is None:  # pyright: ignore[reportUnnecessaryComparison]
                    batch.answers[index] = self._build_slowly(selection, objects[index], batch, index)
        self._go_down(selection.children, batch, objects)
        return batch

    def _go_down(self, children: Sequence[Child], batch: Batch, objects: Sequence[Any]) -> None:
        if objects:
            for each in children:
                self._start(batch, each, objects)

    def _build_slowly(self, selection: Selection, object: Any, batch: Batch, index: int) -> Answer:
        """Answers an object column by column, because one of them is not what it should be."""
        answer = selection.blank.copy()
        for leaf in selection.leaves:
            value = attrgetter(leaf.path)(object)
            answer[leaf.name] = self._complete(leaf, leaf.complete, leaf.shape, value, batch, index, ())
        return answer

    def _start(self, batch: Batch, child: Child, objects: Sequence[Any]) -> None:
        try:
            step = self._steps.get(child) or child.bind(self._variables)
            if child.build_lists and isinstance(step, OpenLists) and not step.request.shape.bounded:
                self._start_lists(batch, child, child.build_lists, objects, step)
                return
            found: Values | Reading = step(objects)
            if not isinstance(found, list):
                self._wait(batch, child, objects, found, next(found))
                return
            values = found
        except StopIteration as end:
            # There was nothing to read.
            values = end.value
        except Exception as error:
            values = [error] * len(objects)
        self._fill(batch, child, values)

    def _start_lists(
        self, batch: Batch, child: Child, build: BuildItems, objects: Sequence[Any], step: OpenLists
    ) -> None:
        """Answers lists at once if their pages came with the objects."""
        keys = step.keys(objects, child.names)
        pages = self._found.take(keys)
        if pages and (found := build(objects, pages)) is not None:
            batch.put(child.name, found)
        else:
            reading = step.read(keys, objects)
            self._waiting.append((batch, child, objects, reading, next(reading), build))

    def _wait(self, batch: Batch, child: Child, objects: Sequence[Any], reading: Reading, keys: Sequence[Key]) -> None:
        wanted = keys if child.names is None else narrow(keys, child.names)
        if child.lists:
            wanted = look_ahead(wanted, child.lists, self._bind_early)
        self._waiting.append((batch, child, objects, reading, wanted, child.build_items))

    def _bind_early(self, child: Child) -> Any:
        """Binds a step before its turn; None if that fails, which is told when it is."""
        try:
            step = self._steps[child] = child.bind(self._variables)
        except Exception:
            return None
        return step

    def _resume(
        self,
        batch: Batch,
        child: Child,
        objects: Sequence[Any],
        reading: Reading,
        answers: Values,
        build: BuildItems | None,
    ) -> None:
        if build and (found := build(objects, answers)) is not None:
            batch.put(child.name, found)
            return
        try:
            self._wait(batch, child, objects, reading, reading.send(answers))
            return
        except StopIteration as end:
            values: Values = end.value
        except Exception as error:
            values = [error] * len(objects)
        self._fill(batch, child, values)

    def _fill(self, batch: Batch, child: Child, values: Values) -> None:
        """Puts a child's values into the answers of a batch."""
        if child.complete:
            for index, (answer, value) in enumerate(zip(batch.answers, values, strict=True)):
                answer[child.name] = self._complete(child, child.complete, child.shape, value, batch, index, ())
        elif child.shape.items:
            self._fill_lists(batch, child, child.shape.items, values)
        else:
            self._fill_objects(batch, child, values)

    def _fill_objects(self, batch: Batch, child: Child, values: Values) -> None:
        if child.selection and is_sound(values):
            built = self._expand(child.selection, values, lambda answers: Batch(answers, batch, child))
            batch.put(child.name, built.answers)
            return
        slots: list[Slot] = [(index, None) for index in range(len(values))]
        for (index, _), answer in self._sort_out(batch, child, child.shape, values, slots):
            batch.answers[index][child.name] = answer

    def _fill_lists(self, batch: Batch, child: Child, items: Shape, values: Values) -> None:
        if child.selection and is_sound(values) and is_sound(flat := list(chain.from_iterable(values))):
            ends = list(accumulate(map(len, values)))
            built = self._expand(child.selection, flat, lambda answers: Batch(answers, batch, child, ends=ends))
            batch.put(child.name, [built.answers[start:end] for start, end in pairwise([0, *ends])])
            return
        found: Values = []
        slots: list[Slot] = []
        for index, value in enumerate(values):
            if isinstance(value, list):
                batch.answers[index][child.name] = [None] * len(value)  # pyright: ignore[reportUnknownArgumentType]
                slots += [(index, place) for place in range(len(value))]  # pyright: ignore[reportUnknownArgumentType]
                found += value
            else:
                self._reject(child, child.shape, value, batch, index, ())
        for (index, place), answer in self._sort_out(batch, child, items, found, slots):
            batch.answers[index][child.name][place] = answer

    def _sort_out(
        self, batch: Batch, child: Child, shape: Shape, values: Values, slots: list[Slot]
    ) -> list[tuple[Slot, Answer]]:
        """Answers values that may be null or exceptions, or objects of several types, those of each together."""
        by_type: dict[type[Any] | None, tuple[list[Slot], Values]] = {}
        for value, (index, place) in zip(values, slots, strict=True):
            kind = cast("type[Any]", type(value)) if child.selections else None
            if value is None or isinstance(value, Exception):
                self._reject(child, shape, value, batch, index, () if place is None else (place,))
            elif child.selections and kind not in child.selections:
                error = TypeError(f"{child.label} leads to no {type(value).__name__}.")
                self._reject(child, shape, error, batch, index, () if place is None else (place,))
            else:
                chosen, objects = by_type.setdefault(kind, ([], []))
                chosen.append((index, place))
                objects.append(value)
        answered: list[tuple[Slot, Answer]] = []
        for kind, (chosen, objects) in by_type.items():
            selection = child.selections[kind] if child.selections and kind else child.selection
            assert selection  # noqa: S101 — one of the two is there
            built = self._expand(selection, objects, lambda answers, at=chosen: Batch(answers, batch, child, slots=at))
            answered += zip(chosen, built.answers, strict=True)
        return answered

    def _complete(
        self,
        leaf: Leaf | Child,
        complete: Callable[[Any], Any],
        shape: Shape,
        value: Any,
        batch: Batch,
        index: int,
        places: tuple[int, ...],
    ) -> Any:
        """Gives what is answered for a value; what it may not be becomes null and a failure."""
        if value is None or isinstance(value, Exception):
            return self._reject(leaf, shape, value, batch, index, places)
        try:
            if not shape.items:
                return complete(value)
            if not isinstance(value, list):
                raise TypeError(f"{leaf.label} is no list.")
        except Exception as error:
            return self._reject(leaf, shape, error, batch, index, places)
        return [
            self._complete(leaf, complete, shape.items, item, batch, index, (*places, place))
            for place, item in enumerate(value)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
        ]

    def _reject(
        self,
        leaf: Leaf | Child,
        shape: Shape,
        value: Exception | None,
        batch: Batch,
        index: int,
        places: tuple[int, ...],
    ) -> None:
        """Notes what befell a value, or that it must not be null."""
        if value is None and not shape.nullable:
            value = TypeError(f"Cannot return null for non-nullable field {leaf.label}.")
        if value is None:
            return
        self._failures.append(Failure(value, batch, index, leaf, places))
        if batch.bare and not shape.nullable and not leaf.shape.nullable:
            raise NothingLeft
