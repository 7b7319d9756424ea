"""A server whose answers are known beforehand, to see what the load generator makes of them."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Answer = tuple[int, bytes]


@contextmanager
def answering(answer: Callable[[float, bytes], Answer]) -> Iterator[str]:
    """Serves answers made of the time since the first request, in seconds, and its body; yields the URL."""
    first: list[float] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            now = time.monotonic()
            first.append(now)
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status, text = answer(now - first[0], body)
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        server.block_on_close = False
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/graphql"
        server.shutdown()
