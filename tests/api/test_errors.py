"""Errors: the code, the place and a text that says what to do; what is unknown is masked."""

import logging
import re
from typing import Any

import httpx
import pytest
from graphql import GraphQLError

from graph.database import Database
from graph.errors import Conflict, Internal, NotFound
from schema.errors import format_error
from tests.api.conftest import Ask

CLIENT = "BAD_USER_INPUT"
INVALID = "GRAPHQL_VALIDATION_FAILED"
ZONE = "write a time with its zone, such as 2023-02-13T08:00:00Z"


async def only_error(ask: Ask, query: str, **variables: Any) -> dict[str, Any]:
    (error,) = (await ask(query, **variables))["errors"]
    assert "Did you mean" not in error["message"]
    return error


@pytest.mark.parametrize(
    ("query", "code", "column", "message"),
    [
        ("{ agents { }", "GRAPHQL_PARSE_FAILED", 13, "Syntax Error: Expected Name, found <EOF>."),
        ("{ agentt { id } }", INVALID, 3, "Cannot query field 'agentt' on type 'Query'."),
        ("{ agents }", INVALID, 3, "Field 'agents' of type 'AgentConnection!' must have a selection of subfields."),
        ('{ topic(name: "a", named: 1) { id } }', INVALID, 20, "Unknown argument 'named' on field 'Query.topic'."),
        ("{ agents(orderBy: {key: ASCC}) { totalCount } }", INVALID, 25,
         "Value 'ASCC' does not exist in 'SortDirection' enum."),
        ("{ agents(filter: {keyy: 1}) { totalCount } }", INVALID, 19,
         "Expected value of type 'AgentFilter' not to include unknown field 'keyy', found: { keyy: 1 }."),
        ("{ node(id: 1) { ... on Agnet { id } } }", INVALID, 24, "Unknown type 'Agnet'."),
        ("{ ...Nothing }", INVALID, 6, "Unknown fragment 'Nothing'."),
        ("{ __typename @skp(if: true) }", INVALID, 14, "Unknown directive '@skp'."),
        ("mutation { a }", INVALID, 12, "Cannot query field 'a' on type 'Mutation'."),
        ("{ agents(first: 99999999999) { totalCount } }", INVALID, 17,
         "Int cannot represent non 32-bit signed integer value: 99999999999"),
        ("{ agents(first: 1.0) { totalCount } }", INVALID, 17, "Int cannot represent non-integer value: 1.0"),
        ('{ agents(filter: {socialEnergy: {gt: "NaN"}}) { totalCount } }', INVALID, 38,
         'Float cannot represent non numeric value: "NaN"'),
        ('{ agents(filter: {createdAt: {gt: "soon"}}) { totalCount } }', CLIENT, 35,
         f"Expected value of type 'DateTime', but encountered error '{ZONE}'; found: \"soon\"."),
    ],
)  # fmt: skip
async def test_what_is_wrong_with_a_document(ask: Ask, query: str, code: str, column: int, message: str):
    assert await only_error(ask, query) == {
        "message": message,
        "locations": [{"line": 1, "column": column}],
        "extensions": {"code": code},
    }


@pytest.mark.parametrize(
    ("type", "use", "value", "message"),
    [
        ("ID!", "node(id: $v) { id }", None, "Expected value of non-null type 'ID!' not to be None."),
        ("ID!", "node(id: $v) { id }", 5.5, "ID cannot represent value: 5.5"),
        ("[ID!]!", "nodes(ids: $v) { id }", ["Agent:a", None], "Expected value of non-null type 'ID!' not to be None."),
        ("Int", "agents(first: $v) { totalCount }", 2**31,
         "Int cannot represent non 32-bit signed integer value: 2147483648"),
        ("Int", "agents(first: $v) { totalCount }", 10**30, "Int cannot represent non 32-bit signed integer value"),
        ("Int", "agents(first: $v) { totalCount }", "1", "Int cannot represent non-integer value: '1'"),
        ("Int", "agents(first: $v) { totalCount }", True, "Int cannot represent non-integer value: True"),
        ("Float", "agents(filter: {socialEnergy: {gt: $v}}) { totalCount }", "Infinity",
         "Float cannot represent non numeric value: 'Infinity'"),
        ("AgentFilter", "agents(filter: $v) { totalCount }", {"keyy": 1},
         "Expected value of type 'AgentFilter' not to include unknown field 'keyy'. Found: {'keyy': 1}."),
        ("AgentFilter", "agents(filter: $v) { totalCount }", [],
         "Expected value of type 'AgentFilter' to be an object"),
        ("[AgentOrder!]", "agents(orderBy: $v) { totalCount }", [{"key": "asc"}],
         "Value 'asc' does not exist in 'SortDirection' enum."),
        *(
            ("DateTime", "agents(filter: {createdAt: {gt: $v}}) { totalCount }", value, ZONE)
            for value in (
                "soon", "", "2023", "2023-02-13", "2023-02-13T08:00:00", "2023-02-30T08:00:00Z",
                "99999-01-01T00:00:00Z", "0001-01-01T00:00:00+12:00", "9999-12-31T23:00:00-12:00",
                "2023-02-13T08:00:00+99:99", 1676275200, True, {},
            )
        ),
    ],
)  # fmt: skip
async def test_what_is_wrong_with_a_variable(edge: httpx.AsyncClient, type: str, use: str, value: Any, message: str):
    body = {"query": f"query ($v: {type}) {{ {use} }}", "variables": {"v": value}}
    response = await edge.post("/graphql", json=body, headers={"Accept": "application/graphql-response+json"})
    assert response.status_code == 400
    assert response.json().keys() == {"errors"}
    (error,) = response.json()["errors"]
    assert error["message"].startswith("Variable '$v' has invalid value")
    assert message in error["message"]
    assert "Did you mean" not in error["message"]
    assert error["locations"] == [{"line": 1, "column": 8}]
    assert error["extensions"] == {"code": CLIENT}


@pytest.mark.parametrize(
    "value", ["2023-02-13T08:00:00Z", "20230213T080000+0100", "2023-02-13T08:00:00.123456789+23:59"]
)
async def test_times_with_any_zone_are_understood(ask: Ask, value: str):
    query = "query ($at: DateTime) { agents(filter: {createdAt: {eq: $at}}) { totalCount } }"
    assert await ask(query, at=value) == {"data": {"agents": {"totalCount": 0}}}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("first: -1", "first: must lie between 0 and 1000, is -1."),
        ("last: 1001", "last: must lie between 0 and 1000, is 1001."),
        ("first: 1, last: 1", "first and last exclude each other: pass first to page forward, last to page backward."),
        ('after: ""', "after: this is not a cursor. Pass a cursor as this API gave it."),
        ('after: "nonsense"', "after: this is not a cursor. Pass a cursor as this API gave it."),
        ('before: "bm9uc2Vuc2U"', "before: this is not a cursor. Pass a cursor as this API gave it."),
        ('after: "WyJ4Il0"', "after: this cursor belongs to another list or order. Pass one of the same list."),
        ("orderBy: {}", "orderBy[0]: name exactly one field in each item; list several items to sort by several."),
        ("orderBy: [{key: ASC}, {key: ASC, name: ASC}]",
         "orderBy[1]: name exactly one field in each item; list several items to sort by several."),
        ("filter: " + "{not: " * 20 + "{}" + "}" * 20, "A filter may be nested 12 deep at most."),
        ("filter: {or: [" + '{key: {eq: "a"}}' * 201 + "]}", "A filter may hold 200 conditions at most."),
        ("filter: {socialEnergy: {gt: 1e999}}", "finite"),
        ("filter: {socialEnergy: {in: [1, -1e999]}}", "finite"),
    ],
)  # fmt: skip
async def test_what_is_wrong_with_a_list_and_what_to_do(ask: Ask, arguments: str, message: str):
    error = await only_error(ask, f"{{ list: agents({arguments}) {{ nodes {{ id }} }} }}")
    assert message in error.pop("message")
    assert error == {"locations": [{"line": 1, "column": 3}], "path": ["list"], "extensions": {"code": CLIENT}}


@pytest.mark.parametrize("arguments", ["", '(id: "Agent:a", key: "a")', "(id: null, key: null)", '(key: "")'])
async def test_an_agent_is_named_by_either_id_or_key(ask: Ask, arguments: str):
    error = await only_error(ask, f"{{ agent{arguments} {{ id }} }}")
    assert error["message"] == "agent: pass either id or key, and not the other."
    assert (error["path"], error["extensions"]["code"]) == (["agent"], CLIENT)


@pytest.mark.parametrize(
    "id", ["", "nonsense", "Node:1", "Agent", "Agent:", "agent:1", "QWdlbnQ6MQ==", "Query:1", ":", "x" * 999]
)
@pytest.mark.parametrize("field", ["node", "agent"])
async def test_what_is_no_id_is_told_from_what_is_not_there(ask: Ask, field: str, id: str):
    if field == "agent" and not id:
        return
    error = await only_error(ask, f"query ($id: ID!) {{ {field}(id: $id) {{ id }} }}", id=id)
    assert error["message"].startswith(
        f"This is not an id of this API: {id[:60]!r}. Ids start with one of Agent, Memory,"
    )
    assert (error["path"], error["extensions"]["code"]) == ([field], CLIENT)
    assert len(error["message"]) < 200


async def test_a_malformed_id_among_others_fails_at_its_own_place(ask: Ask):
    answer = await ask('{ nodes(ids: ["Agent:none", "nonsense", "Topic:none", "Node:1"]) { id } }')
    assert answer["data"] == {"nodes": [None, None, None, None]}
    assert [(error["path"], error["extensions"]["code"]) for error in answer["errors"]] == [
        (["nodes", 1], CLIENT),
        (["nodes", 3], CLIENT),
    ]


async def test_a_hundred_nodes_are_answered_and_no_more(ask: Ask):
    query = "query ($ids: [ID!]!) { nodes(ids: $ids) { id } }"
    assert await ask(query, ids=["Agent:none"] * 100) == {"data": {"nodes": [None] * 100}}
    assert await ask(query, ids=[]) == {"data": {"nodes": []}}
    error = await only_error(ask, query, ids=["Agent:none"] * 101)
    assert error["message"] == "ids: 100 at most, there are 101. Ask in several requests."
    assert error["path"] == ["nodes"]


async def test_an_argument_that_became_null_is_the_clients_error(ask: Ask):
    answer = await ask('query ($name: String = "a") { topic(name: $name) { id } }', name=None)
    (error,) = answer["errors"]
    assert answer["data"] == {"topic": None}
    assert (error["path"], error["extensions"]["code"]) == (["topic"], CLIENT)
    assert "'$name' provided to non-null type" in error["message"]


async def test_one_failing_field_leaves_the_others(ask: Ask):
    answer = await ask('{ __typename a: agent { id } b: agent(key: "nobody") { id } c: node(id: "x") { id } }')
    assert answer["data"] == {"__typename": "Query", "a": None, "b": None, "c": None}
    assert [error["path"] for error in answer["errors"]] == [["a"], ["c"]]


BROKEN = "CREATE (:Agent {id: 'Agent:broken', key: 'broken', createdAt: 'secret of the database'})"


async def test_a_fault_of_the_server_is_masked_and_logged_under_its_id(
    database: Database, client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
):
    await database.write("broken", BROKEN)
    with caplog.at_level(logging.ERROR, "ecs.errors"):
        response = await client.post(
            "/graphql", json={"query": '{ ok: __typename agent(key: "broken") { createdAt } }'}
        )
    assert response.json()["data"] == {"ok": "Query", "agent": None}
    (error,) = response.json()["errors"]
    assert (error["path"], error["extensions"]) == (["agent"], {"code": "INTERNAL"})
    found = re.fullmatch(
        r"Something went wrong on the server\. The log has the details under error id ([0-9a-f]{12})\.",
        error["message"],
    )
    assert found
    (record,) = caplog.records
    assert found[1] in record.getMessage()
    assert record.exc_info
    assert "secret" in caplog.text


async def test_a_missing_value_that_the_schema_promises_is_masked(
    database: Database, client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
):
    await database.write("orphan", "CREATE (:Knowledge {id: 'Knowledge:orphan', agentId: 'Agent:gone'})")
    query = '{ node(id: "Knowledge:orphan") { ... on Knowledge { content } } }'
    (error,) = (await client.post("/graphql", json={"query": query})).json()["errors"]
    assert error["extensions"] == {"code": "INTERNAL"}
    assert "error id" in error["message"]
    assert len(caplog.records) == 1


async def test_rest_masks_faults_too(database: Database, client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture):
    await database.write("broken", BROKEN)
    response = await client.get("/agents/broken/memories")
    assert response.status_code == 500
    error = response.json()["error"]
    assert error["code"] == "INTERNAL"
    assert "secret" not in error["message"]
    (record,) = caplog.records
    assert error["message"].split()[-1].rstrip(".") in record.getMessage()


@pytest.mark.parametrize(
    ("cause", "code"), [(NotFound("No such agent."), "NOT_FOUND"), (Conflict("Taken."), "CONFLICT")]
)
def test_errors_of_ours_keep_their_code_and_text(cause: Any, code: str):
    error = GraphQLError(str(cause), path=["a", 0], original_error=cause)
    assert format_error(error) == {"message": cause.message, "path": ["a", 0], "extensions": {"code": code}}


@pytest.mark.parametrize(
    "cause", [Internal("secret"), ValueError("secret"), KeyError("secret"), RecursionError("secret")]
)
def test_any_other_error_is_masked(cause: Exception, caplog: pytest.LogCaptureFixture):
    formatted = format_error(GraphQLError(str(cause), path=["a"], original_error=cause))
    assert "secret" not in str(formatted)
    assert formatted["extensions"] == {"code": "INTERNAL"}
    assert "secret" in caplog.text
