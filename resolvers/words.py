"""Keys that are words: what they ask for is told by where they are sent."""


class Together:
    """The shape of words: they are asked for together, whatever they are."""

    lane = "words"


class Word(str):
    """A key that says all that there is to say."""

    __slots__ = ()

    shape = Together()
