"""Whether it is worth keeping the answers of an operation: some change faster than they are asked for again."""

from collections.abc import Hashable

# After so many requests that might have found something it is judged anew.
JUDGED_AFTER = 256
# The least part that must be found: keeping an answer takes about a quarter of the time of making it.
LEAST = 0.25
# Of so many names of a fruitless operation one is kept nevertheless, to see whether it has become worth it.
SAMPLED = 16
# How many operations are told apart; those of clients who never ask the same must not fill the memory.
MOST = 1000


class Worth:
    """How much of what was asked for before one operation found in the cache; it `passes` by if that is too little."""

    __slots__ = ("_found", "_requests", "passes")

    def __init__(self) -> None:
        self.passes = False
        self._found = 0.0
        self._requests = 0

    def note(self, found: float) -> None:
        """Notes a request that was asked before: which part of what it read was found."""
        self._found += found
        self._requests += 1
        if self._requests >= JUDGED_AFTER:
            self.passes = self._found < LEAST * self._requests
            self._found, self._requests = 0.0, 0


class Worths:
    """The worth of each operation, by any name for it."""

    def __init__(self) -> None:
        # By numbers for names: that two of them may be taken for one does no harm.
        self._known: dict[int, Worth] = {}

    def __getitem__(self, operation: Hashable) -> Worth:
        number = hash(operation)
        worth = self._known.get(number)
        if worth is None:
            if len(self._known) >= MOST:
                self._known.clear()
            worth = self._known[number] = Worth()
        return worth


def is_sample(name: str) -> bool:
    """Whether what has this name, of hexadecimal digits, is kept although its operation passes the cache by.

    They are asked for as often whatever is kept of others, so that what is found of them stands for all.
    """
    return int(name[:2], 16) % SAMPLED == 0
