"""Compiles operations into plans: graphql-core says what is selected, the schema's declarations what that is."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from functools import partial
from typing import Any

import strawberry
from graphql import (
    DirectiveNode,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLAbstractType,
    GraphQLEnumType,
    GraphQLField,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    OperationDefinitionNode,
    Visitor,
    is_leaf_type,
)
from graphql.execution import Executor
from graphql.execution.collect_fields import FieldDetails, FragmentDetails, collect_fields, collect_subfields
from graphql.execution.values import VariableValues
from strawberry.types.field import StrawberryField

from graph.reads import FAR, far_name
from resolvers.columns import EDGE, generate, generate_items, generate_lists, generate_whole
from resolvers.plan import PAGE, Child, Leaf, Selection, Shape
from resolvers.steps import take
from schema.binding import Argument, Bind, Variables, bind_arguments
from schema.field import ATTRIBUTE, BIND, CURSORS, EMBEDDED, ITEM, READS
from schema.view import SHOWN

# A plan stays smaller than this, because fragments can make a small document ask for very much.
MOST_FIELDS = 1000
DEEPEST = 100

# Scalars whose values are answered as they are, by the Python type that they must have.
PLAIN: dict[str, type] = {"ID": str, "String": str, "Int": int, "Float": float, "Boolean": bool, "DateTime": datetime}


class NotPlanned(Exception):
    """The operation is left to graphql-core; the text is the reason, of which there are only few."""


@dataclass(frozen=True, slots=True)
class Field:
    """A field where it is selected: its definitions, and the nodes that select it under one name."""

    owner: GraphQLObjectType
    definition: GraphQLField
    details: list[FieldDetails]
    name: str
    place: int

    @property
    def declared(self) -> StrawberryField:
        return self.definition.extensions["strawberry-definition"]

    @property
    def shows(self) -> Any:
        """The class that declares it."""
        return self.owner.extensions["strawberry-definition"].origin

    @property
    def attribute(self) -> str | None:
        """The attribute that holds its value, None if a step gives it."""
        declared = self.declared
        return declared.metadata.get(ATTRIBUTE) or (None if declared.base_resolver else declared.python_name)

    @property
    def reads(self) -> set[str]:
        """What of its object it needs, besides its id."""
        return {*(self.attribute or "").split("."), *self.declared.metadata.get(READS, ())}

    @property
    def label(self) -> str:
        return f"{self.owner.name}.{self.nodes[0].name.value}"

    @property
    def nodes(self) -> list[FieldNode]:
        return [each.node for each in self.details]


class Compiler:
    """Compiles one operation. `conditions` are the values of the variables that decide what is selected."""

    def __init__(
        self,
        schema: strawberry.Schema,
        operation: OperationDefinitionNode,
        fragments: Mapping[str, FragmentDefinitionNode],
        conditions: VariableValues,
    ) -> None:
        self._schema = schema
        self._core = schema._schema
        self._operation = operation
        self._fragments = {name: FragmentDetails(each) for name, each in fragments.items()}
        self._conditions = conditions
        self._fields = 0
        self._rows = {shown: model for model, shown in SHOWN.items()}

    def compile(self) -> Selection:
        """Compiles the operation. Raises NotPlanned for what plans cannot do."""
        root: Any = self._core.get_root_type(self._operation.operation)
        selected = collect_fields(self._core, self._fragments, self._conditions, root, self._operation)
        return self._select(root, selected.grouped_field_set, 0)

    def _select(self, owner: GraphQLObjectType, selected: Mapping[str, list[FieldDetails]], depth: int) -> Selection:
        self._fields += len(selected)
        if self._fields > MOST_FIELDS or depth > DEEPEST:
            raise NotPlanned("size")
        constants = dict[str, Any].fromkeys(selected)
        leaves, children, names = list[Leaf](), list[Child](), set[str]()
        for place, (name, details) in enumerate(selected.items()):
            asked = details[0].node.name.value
            if asked == "__typename":
                constants[name] = owner.name
            elif asked.startswith("__"):
                raise NotPlanned("introspection")
            else:
                asked_for = Field(owner, owner.fields[asked], details, name, place)
                field = self._field(asked_for, depth)
                names |= asked_for.reads
                if asked_for.attribute is None and asked_for.shows in self._rows:
                    # It is by its id that a step goes on from a row.
                    names.add("id")
                if isinstance(field, Leaf):
                    leaves.append(field)
                else:
                    children.append(field)
                    names |= self._names_below(field, asked_for)
        selection = Selection(generate(constants, leaves), constants, leaves, children, frozenset(names))
        parts = [each for each in children if is_part(each)]
        selection.build_whole = generate_whole(constants, leaves, parts) if parts else None
        selection.others = [each for each in children if each not in parts]
        return selection

    def _field(self, field: Field, depth: int) -> Leaf | Child:
        attribute = field.attribute
        if not (attribute or BIND in field.declared.metadata) or field.declared.extensions:
            # Whatever surrounds a resolver, such as a permission, is not passed over.
            raise NotPlanned(f"resolver of {field.label}")
        shape, kind = shape_of(field.definition.type)
        common = field.name, shape, field.place, field.label, field.nodes
        if is_leaf_type(kind):
            complete = partial(Executor.complete_leaf_value, kind)
            if attribute:
                return Leaf(*common, complete, attribute, plain_type(kind))
            return Child(*common, complete, self._bound(field))
        step = take(attribute) if attribute else None
        child = Child(*common, None, (lambda _: step) if step else self._bound(field))
        child.embedded = attribute or field.declared.metadata.get(EMBEDDED)
        if isinstance(kind, GraphQLObjectType):
            child.selection = self._subselect(kind, field, depth)
            selected = child.selection
            if item := field.declared.metadata.get(ITEM):
                child.lists = tuple(lists_of(selected, item))
                if not selected.others:
                    child.build_items = generate_items(item, selected.blank, selected.leaves, selected.children)
            child.build_lists = generate_lists(selected)
            at_root = field.owner is self._core.query_type
            if at_root or field.shows in self._rows:
                name_fields(child, child.selection.names)
            if at_root:
                child.lists = tuple(lists_of(selected))
            known = attribute or field.owner is self._core.mutation_type
            child.closed = bool(known) and all(each.closed for each in selected.children)
        else:
            child.selections = self._alternatives(kind, field, depth)
        return child

    def _alternatives(self, kind: GraphQLAbstractType, field: Field, depth: int) -> dict[type, Selection]:
        """Compiles what is selected of each type that an interface stands for, by the class of its rows."""
        possible = self._core.get_possible_types(kind)
        return {
            self._rows[each.extensions["strawberry-definition"].origin]: self._subselect(each, field, depth)
            for each in possible
        }

    def _names_below(self, child: Child, field: Field) -> frozenset[str]:
        """Tells what is to be read of objects for what a child leads to; of its lists nothing is."""
        if child.selection is None or (field.shows in self._rows and reads_page(child)):
            return frozenset()
        names = child.selection.names
        return frozenset(map(far_name, names)) if FAR in field.reads else names

    def _subselect(self, kind: GraphQLObjectType, field: Field, depth: int) -> Selection:
        selected = collect_subfields(
            self._core, self._fragments, self._conditions, self._operation, kind, field.details
        )
        return self._select(kind, selected.grouped_field_set, depth + 1)

    def _bound(self, field: Field) -> Bind:
        """Makes the function that gives the field's step, or what it does, for an operation's variables."""
        metadata = field.declared.metadata
        return bind_arguments(metadata[BIND], self._arguments(field), self._conditions, metadata.get(CURSORS, ()))

    def _arguments(self, field: Field) -> list[Argument]:
        name_of = self._schema.config.name_converter.from_argument
        return [
            Argument(field.nodes[0], field.definition, name_of(each), each.python_name)
            for each in field.declared.arguments
        ]


def name_fields(child: Child, names: frozenset[str]) -> None:
    """Says which fields are to be read of the rows that a child leads to, through whatever is no row itself.

    All parts of a connection name the same, so that they ask for the same page.
    """
    child.names = names
    for each in child.selection.children if child.selection else ():
        if each.names is None and not each.selections:
            name_fields(each, names)


def is_part(child: Child) -> bool:
    """Whether a child leads from each object to one that is embedded in it, and on to nothing but such."""
    return (
        child.embedded is not None
        and child.shape == Shape(nullable=False)
        and child.selection is not None
        and not child.selection.others
    )


def lists_of(selected: Selection, item: str | None = None) -> Iterator[Child]:
    """Gives the children that may lead to lists whose pages are read, those of an edge's node if they are edges."""
    for each in selected.children:
        if item == EDGE and each.embedded and each.selection:
            yield from lists_of(each.selection)
        elif reads_page(each):
            yield each


def reads_page(child: Child) -> bool:
    return child.selection is not None and PAGE in child.selection.names


def shape_of(type: Any) -> tuple[Shape, Any]:
    """Splits a type into what it may be and what is inside."""
    nullable = not isinstance(type, GraphQLNonNull)
    inner = type if nullable else type.of_type
    if isinstance(inner, GraphQLList):
        items, named = shape_of(inner.of_type)
        return Shape(nullable, items), named
    return Shape(nullable), inner


def plain_type(kind: Any) -> type | None:
    """Gives the Python type whose values are answered as they are, those of an enum by their names."""
    if not isinstance(kind, GraphQLEnumType):
        return PLAIN.get(kind.name)
    members: type[Enum] = kind.wrapped_cls  # pyright: ignore[reportAttributeAccessIssue]
    named = all(kind.coerce_output_value(member) == member.name for member in members)
    return members if named else None


class Conditions(Visitor):
    """Collects the names of the variables that decide what is selected."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def enter_directive(self, node: DirectiveNode, *_: Any) -> None:
        self.names |= Variables.of(node)
