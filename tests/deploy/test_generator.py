"""The load generator keeps to its schedule whatever the server does, and charges what it stalled for."""

import time
from random import Random

import orjson
import pytest

from deploy.load.generator import OK, Answer, Arrivals, generating, missing
from deploy.load.operations import ACT, CONTEXT, OPERATIONS, Operation, Person, take_turns
from tests.deploy.stalling import answering

pytestmark = pytest.mark.skipif(bool(missing()), reason=str(missing()))

GOOD = (200, b'{"data":{"agent":{"name":"says \\"errors\\" in passing"}}}')
PERSONS = [Person(f"agent_{number}", [("agent_0", "Ada")]) for number in range(5)]


def load(url: str, arrivals: Arrivals) -> list[Answer]:
    with generating(url, arrivals, take_turns(PERSONS, Random(1))) as answers:
        return list(answers)


def test_requests_arrive_at_a_constant_rate_in_turns_and_say_what_is_asked():
    bodies: list[dict] = []

    def answer(_: float, body: bytes) -> tuple[int, bytes]:
        bodies.append(orjson.loads(body))
        return GOOD

    with answering(answer) as url:
        found = load(url, Arrivals(requests=90, rate=100))
    assert {each.code for each in found} == {OK}
    assert sorted(each.due for each in found) == pytest.approx([place / 100 for place in range(90)], abs=1e-5)
    in_turn = sorted(found, key=lambda each: each.due)
    assert [each.operation for each in in_turn] == list(OPERATIONS) * 45
    assert all(0 <= each.sent_late <= each.latency for each in found)
    asked = [body for body in bodies if body["operationName"] == CONTEXT.name]
    assert {body["query"] for body in asked} == {" ".join(CONTEXT.document.split())}
    keys = sorted(body["variables"]["key"] for body in asked)
    assert keys == sorted(9 * [person.key for person in PERSONS]), "everybody has the same number of turns"


def test_a_stall_is_charged_to_all_who_would_have_been_answered_meanwhile():
    rate, stall = 100, 1.0

    def answer(now: float, _: bytes) -> tuple[int, bytes]:
        if 0.5 <= now < 0.5 + stall:
            time.sleep(0.5 + stall - now)
        return GOOD

    with answering(answer) as url:
        # Over so few connections hardly anything is sent during the stall: a closed loop would see four slow answers.
        found = load(url, Arrivals(requests=250, rate=rate, connections=4))
    assert len(found) == 250
    slow = sum(each.latency > stall / 2 for each in found)
    assert slow >= rate * stall / 2 * 0.8
    assert max(each.latency for each in found) > stall * 0.9


def test_what_stays_unanswered_counts_with_the_time_that_was_waited():
    def answer(now: float, _: bytes) -> tuple[int, bytes]:
        if now > 0.5:
            time.sleep(3)
        return GOOD

    with answering(answer) as url:
        found = load(url, Arrivals(requests=100, rate=100, timeout=1.0))
    lost = [each for each in found if each.code == "NO_ANSWER"]
    assert len(found) == 100
    assert len(lost) == pytest.approx(50, abs=15)
    assert min(each.latency for each in lost) >= 1.0


@pytest.mark.parametrize(
    ("status", "text", "code"),
    [
        (200, '{"data":null,"errors":[{"message":"No\\n room","extensions":{"code":"TIMEOUT"}}]}', "TIMEOUT"),
        (400, '{"errors":[{"message":"No","extensions":{"code":"BAD_USER_INPUT"}}]}', "BAD_USER_INPUT"),
        (200, '{"errors":[{"message":"No"}]}', "NO_CODE"),
        (200, '{"data":{"agent":null}}', "NO_DATA"),
        (200, '{"data":{}}', "NO_DATA"),
        (503, '{"data":{"agent":{}}}', "HTTP_503"),
        (502, "Bad\tgateway", "HTTP_502"),
    ],
)
def test_answers_that_are_no_success_have_a_code(status: int, text: str, code: str):
    with answering(lambda _, __: (status, text.encode())) as url:
        found = load(url, Arrivals(requests=6, rate=100))
    assert [each.code for each in found] == [code] * 6
    assert all(each.message and "\n" not in each.message for each in found)


def test_a_server_that_is_away_is_an_error_of_each_request():
    with answering(lambda _, __: GOOD) as url:
        pass
    found = load(url, Arrivals(requests=6, rate=100))
    assert [each.code for each in found] == ["CONNECTION"] * 6


def test_each_operation_draws_what_its_document_takes():
    drawn: dict[Operation, dict] = dict(take for take, _ in zip(take_turns(PERSONS, Random(1)), range(2), strict=False))
    assert set(drawn[CONTEXT]) == {"key"}
    assert drawn[ACT]["memories"]["memories"][0]["about"] == ["agent_0"]
    assert drawn[ACT]["interactions"]["interactions"][0]["target"] == "agent_0"
