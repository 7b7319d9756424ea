"""Asks the API of this machine whether it lives: `python -m server.heartbeat` exits 0 if it does, 1 if not.

It needs the standard library alone, because containers start it every few seconds.
"""

import http.client
import os
import sys

PATIENCE = 2.0  # seconds
ANY = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104


def is_alive(host: str, port: int) -> bool:
    """Tells whether the API that listens on an address answers."""
    connection = http.client.HTTPConnection(ANY.get(host, host), port, timeout=PATIENCE)
    try:
        connection.request("GET", "/health/live")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(not is_alive(os.environ.get("ECS_HOST", ""), int(os.environ.get("ECS_PORT", "8000"))))
