"""How many fields of a document have to be compared with each other, to see whether they may be merged.

Fields that answer under the same name must ask for the same. Which of them meet is what makes validation quadratic:
490 times the same field takes a second. Counted beforehand, too many are refused at once.
"""

from collections.abc import Mapping, Sequence

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
)

# About a tenth of a second; 140 times the same field has as many.
MOST_PAIRS = 10_000
# Fields that are looked at, fragments wherever they are spread, all operations of the document together.
MOST_FIELDS = 20_000


def overlaps_too_much(document: DocumentNode) -> bool:
    """Says whether a document, whose fragments hold no cycles, has too many pairs of fields to compare."""
    fragments = {each.name.value: each for each in document.definitions if isinstance(each, FragmentDefinitionNode)}
    waiting: list[list[SelectionSetNode]] = [
        [each.selection_set] for each in document.definitions if isinstance(each, OperationDefinitionNode)
    ]
    fields = pairs = 0
    while waiting:
        for same in group(waiting.pop(), fragments).values():
            fields += len(same)
            pairs += len(same) * (len(same) - 1) // 2
            if inner := [each.selection_set for each in same if each.selection_set]:
                waiting.append(inner)
        if pairs > MOST_PAIRS or fields > MOST_FIELDS:
            return True
    return False


def group(
    selections: Sequence[SelectionSetNode], fragments: Mapping[str, FragmentDefinitionNode]
) -> dict[str, list[FieldNode]]:
    """Groups fields that are answered in one place by the name that they are answered under."""
    found: dict[str, list[FieldNode]] = {}
    spread: set[str] = set()
    waiting = list(selections)
    while waiting:
        for each in waiting.pop().selections:
            match each:
                case FieldNode():
                    found.setdefault((each.alias or each.name).value, []).append(each)
                case InlineFragmentNode():
                    waiting.append(each.selection_set)
                case FragmentSpreadNode() if each.name.value not in spread:
                    spread.add(each.name.value)
                    if fragment := fragments.get(each.name.value):
                        waiting.append(fragment.selection_set)
                case _:
                    pass
    return found
