"""What a sentence that an agent is told about itself says of others, and what ties follow from that.

"You and Maria Lopez have known each other for over 2 years now" names a person, a kind of tie and a time.
The rules, in the order in which they are tried:

    kind                 strength  trust    words
    wife, husband, …     0.9       0.9      is your wife, husband, son, mother …
    crush                0.8       0.7      a crush on
    housemate            0.6       0.6      housemate, dormmate, roommate
    friend               0.7       0.7      friend, close with
    classmate            0.5       0.5      classmate, schoolmate
    colleague            0.5       0.5      you and … are colleagues
    neighbour            0.4       0.5      neighbor, next door
    customer             0.3       0.5      customer
    acquaintance         0.3       0.5      whatever else

Of a person's facts the first rule that fits any gives the kind, and the highest figures count. A close or
good friend is 0.1 closer and more trusted; liking adds 0.1 to both; dislike takes 0.3 off both, and having
hardly talked 0.1 off the strength. Every chat adds 0.05 to the strength and 0.02 to the trust. All stay in [0, 1].
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from difflib import get_close_matches

# Stands in a text for the person whom it is weighed for, since "your husband, John" says nothing of Tom.
PERSON = "@"
KINDS: tuple[tuple[re.Pattern[str], float, float], ...] = tuple(
    (re.compile(rf"\b({words})", re.IGNORECASE), strength, trust)
    for words, strength, trust in (
        ("wife|husband|son|daughter|mother|father|brother|sister", 0.9, 0.9),
        ("crush", 0.8, 0.7),
        ("housemate|dormmate|roommate", 0.6, 0.6),
        ("friend|close with", 0.7, 0.7),
        ("classmate|school ?mate", 0.5, 0.5),
        (f"(?<=you and {PERSON} are )colleague", 0.5, 0.5),
        ("neighbou?r|next door", 0.4, 0.5),
        ("customer", 0.3, 0.5),
    )
)
KIN = "wife|husband|son|daughter|mother|father|brother|sister"
RELATIVE = re.compile(rf"{PERSON} is your (?:\w+ )?({KIN})\b|\byour ({KIN}),? {PERSON}", re.IGNORECASE)
NAMED_AS = {
    "close with": "friend",
    "next door": "neighbour",
    "neighbor": "neighbour",
    "schoolmate": "classmate",
    "school mate": "classmate",
    "dormmate": "housemate",
    "roommate": "housemate",
}

CLOSE = re.compile(r"\b(close|good|loyal) (?:\w+ )?friends?\b|\bclose with\b", re.IGNORECASE)
LIKED = re.compile(
    r"\b(cute|kind-hearted|kind|dedicated|cool|like his|like her|you like|somewhat close|love her)\b", re.IGNORECASE
)
DISLIKED = re.compile(
    r"not like|n't (?:really )?like|annoying|pushy|coward|loud|rather not see|too comfortable|uncomfortable|uptight"
    r"|strained",
    re.IGNORECASE,
)
DISTANT = re.compile(r"n't (?:really )?(?:chatted|talked|know)|not really talked|know of\b", re.IGNORECASE)
SPAN = re.compile(
    r"\b(?:for|over|about)\s+(?:about |over |around )?(half a|a few|a couple of|a|an|one|two|three|four|five|\d+)"
    r" (day|week|month|year)s?\b",
    re.IGNORECASE,
)
NUMBERS = {
    "half a": 0.5,
    "a": 1,
    "an": 1,
    "one": 1,
    "a couple of": 2,
    "two": 2,
    "a few": 3,
    "three": 3,
    "four": 4,
    "five": 5,
}
DAYS = {"day": 1, "week": 7, "month": 30, "year": 365}
NAME = re.compile(r"\b[A-Z][a-z]+(?: [A-Z][a-z]+)+")
CHAT_STRENGTH, CHAT_TRUST = 0.05, 0.02

TOPICS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (topic, re.compile(words, re.IGNORECASE))
    for topic, words in (
        ("politics", r"politic|election|mayor"),
        ("Valentine's Day party", r"valentine"),
        ("Hobbs Cafe", r"hobbs cafe"),
        ("The Rose and Crown Pub", r"rose and crown|your bar|the pub"),
        ("music", r"\bmusic"),
        ("dating", r"dating|meeting someone|seeing anyone"),
        ("family", r"your family"),
        ("teaching", r"professor|teach"),
    )
)


@dataclass
class Bond:
    """What is known of one agent's tie to another."""

    kind: str = "acquaintance"
    rank: int = len(KINDS)
    strength: float = 0.3
    trust: float = 0.5
    change: float = 0.0
    distance: float = 0.0
    closer: float = 0.0
    days: float = 0.0


class Names:
    """The personas by name, found even where they are spelled a little otherwise."""

    def __init__(self, keys: Mapping[str, str], notes: list[str]) -> None:
        self.keys = dict(keys)
        self.notes = notes

    def find(self, text: str, *, apart_from: str = "") -> dict[str, str]:
        """Maps the keys of those whom a text names to the text with PERSON in their place."""
        found: dict[str, str] = {}
        rest = text
        for name, key in self.keys.items():
            if name in rest and key != apart_from:
                found[key] = text.replace(name, PERSON)
            rest = rest.replace(name, "")
        for written in NAME.findall(rest):
            key = self._guess(written)
            if key and key != apart_from:
                found.setdefault(key, text.replace(written, PERSON))
        return found

    def name_of(self, key: str) -> str:
        return next(name for name, known in self.keys.items() if known == key)

    def key_of(self, written: str) -> str | None:
        """Finds the key of a name, which may be spelled a little otherwise."""
        return self.keys.get(written) or self._guess(written)

    def _guess(self, written: str) -> str | None:
        matches = get_close_matches(written, self.keys, n=2, cutoff=0.8)
        if not matches:
            return None
        key = self.keys[matches[0]]
        note = f"{written} is taken for {matches[0]}"
        if len(matches) > 1:
            note += f", though it could be {matches[1]}"
        if note not in self.notes:
            self.notes.append(note)
        return key


def span(text: str) -> float:
    """Says how many days a text speaks of, 0 if none; "a few" are three."""
    match = SPAN.search(text)
    if not match:
        return 0.0
    number = match[1].lower()
    return (NUMBERS[number] if number in NUMBERS else float(number)) * DAYS[match[2].lower()]


def kind_of(text: str) -> tuple[int, str]:
    """Finds the rule that fits a text: its rank, and the kind of tie."""
    relative = RELATIVE.search(text)
    if relative:
        return 0, (relative[1] or relative[2]).lower()
    for rank, (words, _, _) in enumerate(KINDS[1:], 1):
        if match := words.search(text):
            found = match[1].lower()
            return rank, NAMED_AS.get(found, found)
    return len(KINDS), "acquaintance"


def weigh(texts: Iterable[str], chats: int) -> Bond:
    """Draws from all that is known of a tie how it stands; the order of the texts makes no difference."""
    bond = Bond()
    for text in sorted(set(texts)):
        rank, kind = kind_of(text)
        if rank < bond.rank:
            bond.rank, bond.kind = rank, kind
            _, strength, trust = KINDS[rank]
            bond.strength, bond.trust = max(bond.strength, strength), max(bond.trust, trust)
        bond.closer = max(bond.closer, 0.1 if CLOSE.search(text) else 0.0)
        if DISLIKED.search(text):
            bond.change = -0.3
        elif LIKED.search(text) and bond.change == 0:
            bond.change = 0.1
        bond.distance = max(bond.distance, 0.1 if DISTANT.search(text) else 0.0)
        bond.days = max(bond.days, span(text))
    shift = bond.closer + bond.change
    bond.strength = within(bond.strength + shift - bond.distance + chats * CHAT_STRENGTH)
    bond.trust = within(bond.trust + shift + chats * CHAT_TRUST)
    return bond


def within(value: float) -> float:
    return round(min(1.0, max(0.0, value)), 4)


def met(bond: Bond, start: datetime, first_chat: datetime | None) -> datetime:
    """Says when the two met: as long before the start as was said, else at their first chat."""
    if bond.days:
        return start - timedelta(days=bond.days)
    return first_chat or start


def topic_of(text: str) -> str:
    """Names the theme of a fact that names nobody; the speaker is one."""
    return next((topic for topic, words in TOPICS if words.search(text)), "self")
