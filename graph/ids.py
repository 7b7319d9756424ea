"""Ids: the type's name and a time-ordered UUID, such as `Memory:01978e5c0a1f7c1e9d3b5a6f7e8d9c0b`.

What is stored is what clients see, so no row is encoded or decoded on its way.
"""

import os
import time
from uuid import NAMESPACE_URL, uuid5

TYPES = ("Agent", "Memory", "Relationship", "Interaction", "Knowledge", "Topic", "Community")


def new_id(type_name: str) -> str:
    """Makes an id of its own for a new object (UUID version 7, RFC 9562)."""
    value = time.time_ns() // 1_000_000 << 80 | int.from_bytes(os.urandom(10), "big")
    value = value & ~(0xF << 76) & ~(0x3 << 62) | 0x7 << 76 | 0x2 << 62
    return f"{type_name}:{value:032x}"


def derived_id(type_name: str, *parts: object) -> str:
    """Makes the id that the same parts always give, for what is imported or generated again."""
    name = "\x1f".join(map(str, (type_name, *parts)))
    return f"{type_name}:{uuid5(NAMESPACE_URL, name).hex}"


def new_mark() -> int:
    """Makes a number that was never made before, for what only has to differ."""
    return int.from_bytes(os.urandom(8), "big") >> 2


def type_of(id: str) -> str | None:
    """Names the type that an id belongs to, or None if it is no id of ours."""
    name, colon, rest = id.partition(":")
    return name if colon and rest and name in TYPES else None
