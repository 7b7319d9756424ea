"""Random filters, and what passes them: a second, slow reading of the contract in plain Python."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from operator import eq, ge, gt, le, lt
from typing import Any

from hypothesis import strategies as st

from tests.random_society import FRACTIONS, IMPACTS, KINDS, TIES, TIMES, WORDS, Row, Society

Tree = Mapping[str, Any]

TESTS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": eq,
    "in": lambda stored, values: stored in values,
    "gt": gt,
    "gte": ge,
    "lt": lt,
    "lte": le,
    "startsWith": str.startswith,
    "contains": lambda stored, value: value in stored,
    "endsWith": str.endswith,
}
# Neo4j compares these two by UTF-16, Python by code points.
PLAIN_WORDS = [word for word in WORDS if word not in {"\uff5e", "😀"}]
KEYS = st.sampled_from([f"agent_{number}" for number in range(9)])


def written(value: Any) -> Any:
    """A value as rows have it: times as text."""
    if isinstance(value, list):
        return [written(each) for each in value]
    if isinstance(value, datetime):
        moment = value.astimezone(UTC)
        return f"{moment.year:04}-{moment:%m-%dT%H:%M:%S}.{moment.microsecond:06}000Z"
    return value


def holds(stored: Any, conditions: Any) -> bool:
    """A plain value against its conditions; one that is absent passes only `eq: null`."""
    if isinstance(conditions, list):
        return stored in conditions
    return all(
        stored is None if value is None else stored is not None and TESTS[name](stored, written(value))
        for name, value in conditions.items()
    )


class Judge:
    """Says what passes a filter in a society."""

    def __init__(self, society: Society) -> None:
        self.society = society
        self.agents = {row["id"]: row for row in society.agents}

    def passes(self, row: Row, tree: Tree, asking: str | None = None, other: Row | None = None) -> bool:
        return all(self.term(row, name, value, asking, other) for name, value in tree.items())

    def term(self, row: Row, name: str, value: Any, asking: str | None, other: Row | None) -> bool:
        match name:
            case "and":
                return all(self.passes(row, each, asking, other) for each in value)
            case "or":
                return any(self.passes(row, each, asking, other) for each in value)
            case "not":
                return not self.passes(row, value, asking, other)
            case "agent":
                return self.passes(other or {}, value)
            case "aboutAgent":
                return value in {self.agents[id]["key"] for id in self.society.about[row["id"]]}
            case "withAgent":
                party = row["targetId"] if row["sourceId"] == asking else row["sourceId"]
                return self.agents[party]["key"] == value
            case "memories" | "knowledge" | "relationships":
                return all(self.quantified(row, name, each, tree) for each, tree in value.items())
            case _:
                return holds(row["topicName" if name == "topic" else name], value)

    def quantified(self, agent: Row, name: str, quantifier: str, tree: Tree) -> bool:
        owner = "sourceId" if name == "relationships" else "agentId"
        found = [
            self.passes(row, tree, other=self.agents.get(row.get("targetId", "")))
            for row in getattr(self.society, name)
            if row[owner] == agent["id"]
        ]
        return {"some": any(found), "none": not any(found), "all": all(found)}[quantifier]


def conditions(values: st.SearchStrategy[Any], *more: str, absent: bool = False) -> st.SearchStrategy[Tree]:
    """Operators on a plain value."""
    optional = dict.fromkeys(("gt", "gte", "lt", "lte", *more), values)
    optional["eq"] = values | st.none() if absent else values
    return st.fixed_dictionaries({}, optional=optional | {"in": st.lists(values, max_size=3)}).filter(is_small)


def is_small(tree: Tree) -> bool:
    return len(tree) <= 2


texts = conditions(
    st.sampled_from(PLAIN_WORDS) | st.text(st.characters(max_codepoint=0xD7FF), max_size=3),
    *("startsWith", "contains", "endsWith"),
    absent=True,
)
fractions = conditions(st.sampled_from(FRACTIONS))
# In some other zone than UTC.
moments = st.builds(
    lambda text, hours: datetime.fromisoformat(text.replace("Z", f"+{hours:02}:00")),
    st.sampled_from(TIMES[2:-1]),
    st.integers(0, 2),
)
times = conditions(moments, absent=True)


def trees(fields: Mapping[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[Tree]:
    """Filters over fields, combined by and, or and not."""
    plain = st.fixed_dictionaries({}, optional=fields).filter(is_small)
    return st.recursive(
        plain,
        lambda inner: st.builds(
            lambda tree, more: {**tree, **more},
            plain,
            st.fixed_dictionaries({"and": st.lists(inner, max_size=2)})
            | st.fixed_dictionaries({"or": st.lists(inner, max_size=3)})
            | st.fixed_dictionaries({"not": inner}),
        ),
        max_leaves=4,
    )


def matches(trees: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
    # Deferred, so that Hypothesis does not print all that is inside.
    inner = st.deferred(lambda: trees)
    return st.fixed_dictionaries({}, optional=dict.fromkeys(("some", "none", "all"), inner)).filter(is_small)


memories = trees(
    {
        "kind": st.lists(st.sampled_from(KINDS), max_size=3),
        "importance": fractions,
        "createdAt": times,
        "content": texts,
        "aboutAgent": KEYS,
    }
)
knowledge = trees({"topic": texts, "content": texts, "confidence": fractions})
people = {"key": conditions(KEYS, "startsWith"), "name": texts, "socialEnergy": fractions, "createdAt": times}
ties = {"kind": conditions(st.sampled_from(TIES)), "strength": fractions, "trust": fractions,
        "lastInteractionAt": times}  # fmt: skip
friends = trees({**people, "memories": matches(memories)})
relationships = trees({**ties, "agent": st.deferred(lambda: friends)})
agents = trees(
    {
        **people,
        "memories": matches(memories),
        "relationships": matches(relationships),
        "knowledge": matches(knowledge),
    }
)
interactions = st.fixed_dictionaries(
    {},
    optional={
        "kind": conditions(st.sampled_from(TIES)),
        "impact": conditions(st.sampled_from(IMPACTS)),
        "at": times,
        "withAgent": KEYS,
    },
)
