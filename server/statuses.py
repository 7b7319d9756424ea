"""With which status, and as which media type, answers are sent: there are two opinions.

The common one, which clients and the audit suite expect: what failed before execution is answered with 400, or with 200
to clients that only know application/json. The precise one, of the specification's edition of September 2026: 422 for
what was understood and cannot be processed, 294 for data with errors, and 4xx for every client, because a response that
says application/graphql-response+json comes from here.
"""

from dataclasses import dataclass

from graph.errors import DeadlineExceeded, Internal
from schema.answer import Answer

RESPONSE_JSON = "application/graphql-response+json"
PLAIN_JSON = "application/json"

OK = 200
PARTIAL_SUCCESS = 294
BAD_REQUEST = 400
UNPROCESSABLE = 422

OF_CODES = {DeadlineExceeded.code: 504, Internal.code: 500}


@dataclass(frozen=True, slots=True)
class Statuses:
    """Chooses statuses; `precise` as the newer edition has them."""

    precise: bool = False

    def of_answer(self, answer: Answer, media: str) -> tuple[int, str]:
        """Gives an answer's status and the media type that goes with it."""
        if answer.executed:
            return (PARTIAL_SUCCESS if self.precise and media == RESPONSE_JSON and answer.errors else OK), media
        if media == PLAIN_JSON and not self.precise:
            return OK, media
        code = answer.payload["errors"][0]["extensions"]["code"]
        otherwise = UNPROCESSABLE if self.precise and code != "GRAPHQL_PARSE_FAILED" else BAD_REQUEST
        return OF_CODES.get(code, otherwise), RESPONSE_JSON if self.precise else media

    def of_refusal(self, status: int) -> int:
        """Gives the status of what is no GraphQL request."""
        return BAD_REQUEST if status == UNPROCESSABLE and not self.precise else status


COMMON = Statuses()
