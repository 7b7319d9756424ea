"""What an operation has read so far, by key, so that it asks for nothing twice."""

from collections.abc import Sequence

from graph.eager import Eager, EagerKey
from graph.reads import Key
from resolvers.loaders import Loaders, Values


class Found:
    """The answers to keys, with what was loaded eagerly beside them."""

    def __init__(self, loaders: Loaders) -> None:
        self._loaders = loaders
        # Where the answer to each key lies.
        self._places: dict[Key, int] = {}
        self._answers: Values = []

    def forget(self) -> None:
        """Lets everything be read anew."""
        self._places, self._answers = {}, []

    def take(self, keys: Sequence[Key]) -> Values | None:
        """Gives the answers to keys if all are there."""
        places, answers = self._places, self._answers
        try:
            return [answers[places[key]] for key in keys]
        except (KeyError, TypeError):
            return None

    async def load_many(self, keys: Sequence[Key]) -> Values:
        """Answers keys, each once: hashing a key costs more than everything else that is done with it here."""
        known, index = len(self._places), self._places
        try:
            eager: dict[Key, Key] = {key.plain: key for key in keys if isinstance(key, EagerKey)}
            plain = [key.plain if isinstance(key, EagerKey) else key for key in keys] if eager else keys
            places = [index.setdefault(key, len(index)) for key in plain]
        except TypeError as error:
            # A column that names something holds what is no name.
            return await self._load_singly(keys, error)
        if len(index) > known:
            missing = list(index)[known:]
            if eager:
                # Whoever else asks for the same needs no lists.
                missing = [eager.get(key, key) for key in missing]
            try:
                self._answers += await self._loaders.load_many(missing)
            except Exception as error:
                self._answers += [error] * len(missing)
            self._take_eager(known)
        answers = self._answers
        return [answers[place] for place in places]

    def _take_eager(self, start: int) -> None:
        """Treats what was loaded eagerly as if it had been asked for."""
        index, answers = self._places, self._answers
        end = len(answers)
        for place in range(start, end):
            if isinstance(answer := answers[place], Eager):
                answers[place] = answer.answer
                for key, page in answer.pages:
                    if index.setdefault(key, end) == end:
                        answers.append(page)
                        end += 1

    async def _load_singly(self, keys: Sequence[Key], error: TypeError) -> Values:
        """Answers keys of which some cannot be hashed."""
        self.forget()
        found = iter(await self.load_many([key for key in keys if is_hashable(key)]))
        return [next(found) if is_hashable(key) else error for key in keys]


def is_hashable(key: Key) -> bool:
    try:
        hash(key)
    except TypeError:
        return False
    return True
