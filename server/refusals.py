"""Why somebody is not let in, or not further, and how that is told over HTTP."""

import math

from graph.errors import SocietyError, Unavailable
from resolvers.rates import Verdict
from schema.document import Forbidden
from server.access import Unauthenticated


class RateLimited(SocietyError):
    """A client asked for more than its share."""

    code = "RATE_LIMITED"

    def __init__(self, verdict: Verdict) -> None:
        self.verdict = verdict
        wait = max(verdict.retry_after, 0.001)
        limit = f"{verdict.limit.rate:g} a second, {verdict.limit.burst:g} at once"
        super().__init__(f"Too many requests: {limit}. Try again in {wait:.3g} s.")
        self.extensions = {"retryAfter": round(wait, 3)}


# The statuses of refusals; UNAVAILABLE is one when nobody can know who it is.
STATUS = {Unauthenticated.code: 401, Forbidden.code: 403, RateLimited.code: 429, Unavailable.code: 503}


def challenge(error: SocietyError) -> dict[str, str]:
    """Gives the headers by which programs learn what to do about a refusal."""
    match error:
        case Unauthenticated(tried=False):
            return {"WWW-Authenticate": 'Bearer realm="ecs"'}
        case Unauthenticated():
            said = error.message.replace('"', "'").encode("ascii", "ignore").decode()
            return {"WWW-Authenticate": f'Bearer realm="ecs", error="invalid_token", error_description="{said}"'}
        case Forbidden():
            return {"WWW-Authenticate": 'Bearer realm="ecs", error="insufficient_scope"'}
        case RateLimited():
            return tell(error.verdict) | {"Retry-After": str(max(1, math.ceil(error.verdict.retry_after)))}
        case Unavailable():
            return {"Retry-After": "1"}
        case _:
            return {}


def tell(verdict: Verdict) -> dict[str, str]:
    """Tells what a client has left, in whole tokens and seconds."""
    limit = verdict.limit
    return {
        "RateLimit-Limit": f"{int(limit.burst)}",
        "RateLimit-Remaining": f"{max(0, math.floor(verdict.tokens))}",
        "RateLimit-Reset": f"{math.ceil(verdict.reset_after)}",
        "RateLimit-Policy": f"{int(limit.burst)};w={max(1, math.ceil(limit.burst / limit.rate))}",
    }
