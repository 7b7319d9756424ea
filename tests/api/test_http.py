"""GraphQL over HTTP: what is a request, what is refused and how, and in which media type it is answered."""

import gzip
import json
import time
from typing import Any

import httpx
import pytest

from server.requests import HttpError, read_operation

QUERY = "{ __typename }"
ANSWER = {"data": {"__typename": "Query"}}
PLAIN = "application/json"
RESPONSE = "application/graphql-response+json"


async def post(edge: httpx.AsyncClient, body: Any, accept: str = RESPONSE, **headers: str) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return await edge.post("/graphql", content=content, headers={"Content-Type": PLAIN, "Accept": accept} | headers)


def reason(response: httpx.Response) -> str:
    """Gives the one message of a request that was refused, once it has the shape of a refusal."""
    payload = response.json()
    (error,) = payload["errors"]
    assert "data" not in payload
    assert error["extensions"]["code"] in {
        "BAD_USER_INPUT",
        "GRAPHQL_PARSE_FAILED",
        "GRAPHQL_VALIDATION_FAILED",
        "QUERY_TOO_COSTLY",
    }
    assert "Traceback" not in error["message"]
    return error["message"]


# The media type of the answer


@pytest.mark.parametrize(
    ("accept", "media"),
    [
        (None, PLAIN),
        ("", PLAIN),
        ("*/*", PLAIN),
        ("application/*", PLAIN),
        (PLAIN, PLAIN),
        (RESPONSE, RESPONSE),
        (f"{RESPONSE}; charset=utf-8", RESPONSE),
        ("Application/GraphQL-Response+JSON", RESPONSE),
        (f"{RESPONSE}, {PLAIN}", RESPONSE),
        (f"{PLAIN}, {RESPONSE}", PLAIN),
        (f"{RESPONSE}; charset=utf-8, {PLAIN}; charset=utf-8", RESPONSE),
        (f"{PLAIN};q=0.9, {RESPONSE}", RESPONSE),
        (f"{RESPONSE};q=0.5, {PLAIN};q=0.6", PLAIN),
        (f"{RESPONSE} ; q=0.5 , */*;q=0.1", RESPONSE),
        (f"{RESPONSE};q=0.5, */*", PLAIN),
        (f"{RESPONSE};q=0, */*", PLAIN),
        (f"{PLAIN};q=0, */*", RESPONSE),
        (f"{PLAIN};q=0.0, application/*;q=0.2", RESPONSE),
        ("text/html, application/xhtml+xml, */*;q=0.8", PLAIN),
        (f"text/plain, {RESPONSE};q=nonsense", RESPONSE),
    ],
)
async def test_the_answer_has_the_media_type_that_the_client_likes_best(
    edge: httpx.AsyncClient, accept: str | None, media: str
):
    request = edge.build_request("POST", "/graphql", json={"query": QUERY})
    del request.headers["accept"]
    if accept is not None:
        request.headers["accept"] = accept
    response = await edge.send(request)
    assert (response.status_code, response.json()) == (200, ANSWER)
    assert response.headers["content-type"] == f"{media}; charset=utf-8"
    assert response.headers["vary"] == "Accept, Accept-Encoding"


@pytest.mark.parametrize("accept", ["text/plain", "text/html", f"{PLAIN};q=0", "*/*;q=0", "application/xml, image/*"])
async def test_a_client_that_takes_neither_media_type_is_told(edge: httpx.AsyncClient, accept: str):
    response = await post(edge, {"query": QUERY}, accept=accept)
    assert response.status_code == 406
    assert RESPONSE in reason(response)


async def test_several_accept_headers_count_as_one(edge: httpx.AsyncClient):
    headers = [("Accept", "text/plain"), ("Accept", RESPONSE), ("Content-Type", PLAIN)]
    response = await edge.post("/graphql", content=json.dumps({"query": QUERY}), headers=headers)
    assert response.headers["content-type"].startswith(RESPONSE)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"query": "{"}, "GRAPHQL_PARSE_FAILED"),
        ({"query": "{ nonsense }"}, "GRAPHQL_VALIDATION_FAILED"),
        ({"query": "query ($id: ID!) { node(id: $id) { id } }", "variables": {"id": None}}, "BAD_USER_INPUT"),
        ({"query": QUERY, "operationName": "Other"}, "BAD_USER_INPUT"),
    ],
)
async def test_a_request_that_fails_before_it_runs_has_no_data(edge: httpx.AsyncClient, body: Any, code: str):
    strict, plain = await post(edge, body, accept=RESPONSE), await post(edge, body, accept=PLAIN)
    assert (strict.status_code, plain.status_code) == (400, 200)
    assert strict.json() == plain.json()
    assert strict.json()["errors"][0]["extensions"]["code"] == code
    assert reason(strict)


async def test_a_request_that_fails_while_it_runs_has_data(edge: httpx.AsyncClient):
    response = await post(edge, {"query": "{ __typename node(id: 1) { id } }"})
    assert response.status_code == 200
    assert response.json()["data"] == {"__typename": "Query", "node": None}


# Methods


async def test_get_takes_queries(edge: httpx.AsyncClient):
    query = "query A($name: String!) { __type(name: $name) { kind } } query B { __typename }"
    parameters = {"query": query, "operationName": "A", "variables": '{"name": "Agent"}', "extensions": "{}"}
    response = await edge.get("/graphql", params=parameters)
    assert (response.status_code, response.json()) == (200, {"data": {"__type": {"kind": "OBJECT"}}})
    assert response.headers["content-type"].startswith(PLAIN)


@pytest.mark.parametrize("name", ["variables", "extensions"])
@pytest.mark.parametrize("value", ["", "{", "[]", "1", '"text"', "{'a': 1}"])
async def test_get_refuses_parameters_that_are_no_json_objects(edge: httpx.AsyncClient, name: str, value: str):
    response = await edge.get("/graphql", params={"query": QUERY, name: value})
    assert response.status_code == 400
    assert reason(response).startswith(f"{name}: ")


async def test_get_needs_a_query(edge: httpx.AsyncClient):
    response = await edge.get("/graphql")
    assert response.status_code == 400
    assert reason(response) == "query: must be the text of a GraphQL document."


async def test_get_and_head_refuse_mutations(edge: httpx.AsyncClient):
    mutation = {"query": "mutation { __typename }"}
    get, head = await edge.get("/graphql", params=mutation), await edge.head("/graphql", params=mutation)
    assert get.status_code == head.status_code == 405
    assert get.headers["allow"] == head.headers["allow"] == "POST"
    assert "POST" in reason(get)


async def test_post_ignores_the_query_string(edge: httpx.AsyncClient):
    response = await edge.post("/graphql", params={"query": "mutation { __typename }"}, json={"query": QUERY})
    assert response.json() == ANSWER


async def test_head_is_answered_as_get(edge: httpx.AsyncClient):
    response = await edge.head("/graphql", params={"query": QUERY})
    assert (response.status_code, response.headers["content-length"]) == (200, "31")


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "NONSENSE"])
async def test_other_methods_are_told_which_there_are(edge: httpx.AsyncClient, method: str):
    response = await edge.request(method, "/graphql", json={"query": QUERY})
    assert response.status_code == 405
    assert {*response.headers["allow"].split(", ")} == {"GET", "HEAD", "POST"}


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_subscriptions_are_refused(edge: httpx.AsyncClient, method: str):
    request = {"query": "subscription { societyEvents { cursor } }"}
    carried: dict[str, Any] = {"params": request} if method == "GET" else {"json": request}
    response = await edge.request(method, "/graphql", headers={"Accept": RESPONSE}, **carried)
    assert response.status_code == 400
    assert "subscriptions" in reason(response)


# Bodies


@pytest.mark.parametrize(
    "content_type",
    [
        PLAIN,
        "application/json; charset=utf-8",
        'application/json;charset="UTF-8"',
        "Application/JSON ; Charset=utf8",
    ],
)
async def test_json_in_utf8_is_taken(edge: httpx.AsyncClient, content_type: str):
    body = '{"query": "{ __type(name: \\"Über🏃\\") { name } }"}'.encode()
    response = await edge.post("/graphql", content=body, headers={"Content-Type": content_type})
    assert (response.status_code, response.json()) == (200, {"data": {"__type": None}})


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Content-Type": ""},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/graphql"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "multipart/form-data; boundary=x"},
        {"Content-Type": "application/json; charset=utf-16"},
        {"Content-Type": "application/json; charset=iso-8859-1"},
        {"Content-Type": PLAIN, "Content-Encoding": "gzip"},
        {"Content-Type": PLAIN, "Content-Encoding": "deflate"},
    ],
)
async def test_other_bodies_are_refused(edge: httpx.AsyncClient, headers: dict[str, str]):
    response = await edge.post("/graphql", content=gzip.compress(b'{"query": "{ __typename }"}'), headers=headers)
    assert response.status_code == 415
    assert reason(response).startswith("Content-")


MALFORMED = {
    "nothing": b"",
    "no end": b'{"query": "{ __typ',
    "no JSON": b"query=%7B__typename%7D",
    "GraphQL": b"{ __typename }",
    "single quotes": b"{'query': '{ __typename }'}",
    "null": b"null",
    "true": b"true",
    "a number": b"1",
    "a string": b'"{ __typename }"',
    "an array": b'[{"query": "{ __typename }"}]',
    "no UTF-8": b'{"query": "\xff\xfe"}',
    "UTF-16": '{"query": "{ __typename }"}'.encode("utf-16"),
    "a byte order mark": '\ufeff{"query": "{ __typename }"}'.encode(),
    "half a surrogate pair": rb'{"query": "\ud800"}',
    "NaN": b'{"query": "{ __typename }", "variables": {"n": NaN}}',
    "a number beyond floats": b'{"query": "{ __typename }", "variables": {"n": 1e999}}',
    "thousands of digits": b'{"query": "{ __typename }", "variables": {"n": %b}}' % (b"9" * 9000),
    "deep arrays": b'{"query": "{ __typename }", "variables": {"n": %b}}' % (b"[" * 100_000 + b"]" * 100_000),
    "deep objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "gzip": gzip.compress(b'{"query": "{ __typename }"}'),
    "no query": b"{}",
    "another word": b'{"qeury": "{ __typename }"}',
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED.keys())
async def test_a_malformed_body_is_refused(edge: httpx.AsyncClient, body: bytes):
    response = await post(edge, body, accept=PLAIN)
    assert response.status_code == 400
    assert reason(response).startswith(("body: ", "query: "))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("query", value) for value in (None, 0, False, ["{ __typename }"], {"a": 1})),
        *(("variables", value) for value in (0, False, "{}", ["a"])),
        *(("operationName", value) for value in (0, False, ["A"], {"a": 1})),
        *(("extensions", value) for value in (0, False, "{}", ["a"])),
    ],
)
async def test_a_parameter_of_the_wrong_type_is_refused(edge: httpx.AsyncClient, name: str, value: Any):
    response = await post(edge, {"query": QUERY, name: value}, accept=PLAIN)
    assert response.status_code == 400
    assert reason(response).startswith(f"{name}: must be ")


async def test_null_parameters_and_unknown_members_are_nothing(edge: httpx.AsyncClient):
    body = {"query": QUERY, "variables": None, "operationName": None, "extensions": None, "id": 7}
    assert (await post(edge, body)).json() == ANSWER


async def test_a_body_of_a_mebibyte_is_taken_and_a_larger_one_refused(edge: httpx.AsyncClient):
    body = b'{"query": "{ __typename }"}'
    assert (await post(edge, body.ljust(2**20))).json() == ANSWER
    response = await post(edge, body.ljust(2**20 + 1))
    assert response.status_code == 413
    assert "1048576 bytes" in reason(response)


async def test_an_endless_body_is_refused_without_reading_on(edge: httpx.AsyncClient):
    sent = 0

    async def endless():
        nonlocal sent
        while True:
            sent += 2**16
            yield b" " * 2**16

    response = await edge.post("/graphql", content=endless(), headers={"Content-Type": PLAIN})
    assert response.status_code == 413
    assert sent == 2**20 + 2**16


async def test_a_client_that_leaves_midway_is_no_fault_of_the_server():
    messages = iter([{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}])

    async def receive() -> Any:
        return next(messages)

    scope = {"type": "http", "method": "POST", "headers": [(b"content-type", PLAIN.encode())]}
    with pytest.raises(HttpError, match="cut short"):
        await read_operation(scope, receive)


# Documents


@pytest.mark.parametrize(
    ("query", "name", "answer"),
    [
        ("query A { a: __typename } query B { b: __typename }", "B", {"b": "Query"}),
        ("query A { a: __typename }", None, {"a": "Query"}),
        ("\ufeff{ __typename }", None, {"__typename": "Query"}),
        ("#\n{ __typename,,, }", None, {"__typename": "Query"}),
    ],
)
async def test_the_operation_asked_for_is_executed(edge: httpx.AsyncClient, query: str, name: str | None, answer: Any):
    assert (await post(edge, {"query": query, "operationName": name})).json() == {"data": answer}


@pytest.mark.parametrize(
    ("query", "name", "message"),
    [
        ("query A { __typename } query B { __typename }", None, "name one of them"),
        ("query A { __typename } query B { __typename }", "C", "no operation named 'C'"),
        ("{ __typename }", "", "no operation named ''"),
        ("fragment F on Query { __typename }", None, "no operation"),
        ("type Query { a: Int }", None, "no operation"),
        ("", None, "Syntax Error"),
        (" \n# nothing", None, "Syntax Error"),
        ("{ __typename", None, "Syntax Error"),
        ("{ a(b: \u0000) }", None, "Syntax Error"),
        ('{ a(b: "\\uD800") }', None, "Syntax Error"),
    ],
)
async def test_a_document_without_the_operation_asked_for_is_refused(
    edge: httpx.AsyncClient, query: str, name: str | None, message: str
):
    response = await post(edge, {"query": query, "operationName": name})
    assert response.status_code == 400
    assert message in reason(response)


HOSTILE = {
    "deep selections": ("{ a " * 5000, "nested too deeply"),
    "deep lists": ("{ a(b: " + "[" * 20_000, "nested too deeply"),
    "deep objects": ("{ a(b: " + "{c:" * 10_000, "nested too deeply"),
    "deep types": ("query ($a: " + "[" * 20_000, "nested too deeply"),
    "many fields": ("{ " + "__typename " * 9000 + "}", "9002 tokens; 2000 at most"),
    "many comments": ("#\n" * 40_000 + QUERY, "more than 1000 comments"),
    "a long string": ('{ a(b: "' + "x" * 100_000 + '") }', "100000"),
    "blanks": (" " * 1_000_000, "100000"),
}


@pytest.mark.parametrize(("query", "message"), HOSTILE.values(), ids=HOSTILE.keys())
async def test_a_hostile_document_is_refused_at_once(edge: httpx.AsyncClient, query: str, message: str):
    started = time.perf_counter()
    response = await post(edge, {"query": query})
    assert response.status_code == 400
    assert message in reason(response)
    assert time.perf_counter() - started < 8


COSTLY = {
    "one field again and again": "{ " + "agents { totalCount } " * 490 + "}",
    "one field with arguments": "{ " + "agents(first: 1) { totalCount } " * 220 + "}",
    "fragments side by side": "{ agents { "
    + " ".join(f"...F{i}" for i in range(200))
    + " } } "
    + " ".join(f"fragment F{i} on AgentConnection {{ totalCount }}" for i in range(200)),
    "doubling fragments": "{ agents { ...F0 } } "
    + " ".join(f"fragment F{i} on AgentConnection {{ ...F{i + 1} ...F{i + 1} }}" for i in range(90))
    + " fragment F90 on AgentConnection { totalCount }",
    "a circle of fragments": "{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }",
    "fields of an operation that is not asked for": "query A { __typename } query B { "
    + "agents { totalCount } " * 480
    + "}",
    "long names in many faults": "{ agents(filter: {"
    + " ".join(f"x{i}: 1" for i in range(600))
    + "}) { totalCount } }",
    "unknown fields": "{ " + " ".join(f"x{i}" for i in range(1990)) + " }",
}


@pytest.mark.parametrize("query", COSTLY.values(), ids=COSTLY.keys())
async def test_a_costly_document_is_answered_in_time(edge: httpx.AsyncClient, query: str):
    started = time.perf_counter()
    response = await post(edge, {"query": query, "operationName": "A" if "query A" in query else None})
    assert response.status_code in {200, 400}
    assert len(response.json().get("errors", ())) <= 21
    assert len(response.content) < 100_000
    assert time.perf_counter() - started < 8


async def test_deep_variables_are_refused(edge: httpx.AsyncClient):
    deep: dict[str, Any] = {}
    for _ in range(400):
        deep = {"not": deep}
    query = "query ($f: AgentFilter) { agents(filter: $f) { totalCount } }"
    response = await post(edge, {"query": query, "variables": {"f": deep}})
    assert response.status_code == 400
    assert "nested too deeply" in reason(response)


@pytest.mark.usefixtures("society")
async def test_an_answer_too_deep_to_be_written_is_refused(edge: httpx.AsyncClient):
    levels = 95
    query = '{ agent(key: "bo") { ' + "relationships { nodes { " * levels + "id" + " } }" * levels + " } }"
    response = await post(edge, {"query": query.replace("relationships", "relationships(first: 1)")})
    assert response.status_code == 400
    assert "nested too deeply" in reason(response)
