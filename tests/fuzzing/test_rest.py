"""What is answered beside GraphQL, as its OpenAPI document describes it: made and checked by schemathesis."""

from typing import Any

import httpx
import schemathesis
from hypothesis import given
from requests import Session
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.fuzzing.conftest import HANGS, apart, examples

CHECKS = (not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance)


async def test_every_address_answers_as_described(address: str, client: httpx.Client):
    def every() -> None:
        served = schemathesis.openapi.from_dict(client.get("/openapi.json").json())
        found = [each.ok() for each in served.get_all_operations()]
        assert len(found) == 4
        with Session() as session:
            for operation in found:
                any_parameters(operation, session)

    def any_parameters(operation: Any, session: Session) -> None:
        @examples(60)
        @given(operation.as_strategy())
        def answered(case: Any) -> None:
            case.call_and_validate(f"http://{address}", session, checks=CHECKS, timeout=HANGS)

        answered()

    await apart(every)
