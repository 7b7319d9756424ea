"""GraphiQL as a person meets it, in a real browser, and as HTTP sees it."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from playwright.async_api import Browser, ConsoleMessage, Locator, Page, Response, expect
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route

from server.graphiql import CONTENT_SECURITY_POLICY, graphiql_page, mount_assets, wants_page
from tests.mutations import CREATE
from tests.web.conftest import browsing

BROWSER_ACCEPT = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@dataclass
class Visit:
    """A page in a browser that nobody used before, and all that happened on it."""

    page: Page
    requests: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.context.on("request", lambda request: self.requests.append(request.url))
        self.page.context.on("response", self.note_response)
        self.page.on("console", self.note_message)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def note_response(self, response: Response) -> None:
        """Keeps what the server does not answer well."""
        if response.status >= 400:
            self.refused.append(response.url)

    def note_message(self, message: ConsoleMessage) -> None:
        """Keeps what the browser reports as an error or a warning."""
        if message.type in {"error", "warning"}:
            self.complaints.append(message.text)


@pytest.fixture
async def visit(browser: Browser, origin: str) -> AsyncIterator[Visit]:
    """GraphiQL, opened for the first time."""
    async with browsing(browser, origin) as context:
        visit = Visit(await context.new_page())
        await visit.page.goto("/graphql")
        await expect(visit.page.locator(".graphiql-query-editor")).to_contain_text("query Society")
        # Until the result pane has its editor, the run button does nothing.
        await expect(visit.page.locator(".graphiql-response .monaco-editor")).to_be_visible()
        yield visit


async def run_query(page: Page) -> Locator:
    """Presses the run button and returns the result pane."""
    await page.get_by_role("button", name=re.compile("Execute query")).click()
    return page.locator(".graphiql-response")


async def test_the_first_query_is_run_and_its_answer_seen(visit: Visit) -> None:
    await expect(visit.page).to_have_title("ECS GraphiQL")
    answer = await run_query(visit.page)
    await expect(answer).to_contain_text('"name": "Maria Lopez"')
    await expect(answer).to_contain_text('"content": "Klaus asked her to the party"')
    await expect(answer).to_contain_text('"strength": 0.7')
    await expect(answer).not_to_contain_text('"errors"')


async def test_a_typed_query_is_completed_from_the_schema_and_run(visit: Visit) -> None:
    await visit.page.locator(".graphiql-query-editor .view-lines").click()
    await visit.page.keyboard.press("Control+a")
    await visit.page.keyboard.type("{ age")
    await visit.page.keyboard.press("Control+Space")
    await expect(visit.page.locator(".suggest-widget")).to_contain_text("agents")
    await visit.page.keyboard.press("Escape")
    await visit.page.keyboard.press("Control+a")
    # GraphiQL sends the name of the operation that it knew a moment ago, so the new one bears the same.
    await visit.page.keyboard.insert_text('query Society { agent(key: "klaus") { title: name } }')
    await visit.page.keyboard.press("Control+Enter")
    await expect(visit.page.locator(".graphiql-response")).to_contain_text('"title": "Klaus Mueller"')


async def test_a_subscription_shows_what_happens(visit: Visit, origin: str) -> None:
    await visit.page.locator(".graphiql-query-editor .view-lines").click()
    await visit.page.keyboard.press("Control+a")
    await visit.page.keyboard.insert_text("subscription Society { societyEvents { kind agents { name } } }")
    # GraphiQL opens a socket once it has learnt, a moment after the last key, that this is a subscription.
    await visit.page.wait_for_timeout(1500)
    await visit.page.keyboard.press("Control+Enter")
    answer = visit.page.locator(".graphiql-response")
    async with httpx.AsyncClient(base_url=origin) as client:
        # Nobody is told when the page follows, so it gets several chances.
        for at in range(20):
            created = {"agents": [{"key": f"agent_{at}", "name": "Isabella Rodriguez"}]}
            await client.post("/graphql", json={"query": CREATE, "variables": {"input": created}})
            await visit.page.wait_for_timeout(500)
            if "Isabella" in await answer.inner_text():
                break
    await expect(answer).to_contain_text('"kind": "AGENT_CHANGED"')
    await expect(answer).to_contain_text('"name": "Isabella Rodriguez"')
    assert visit.complaints == []


async def test_the_documentation_of_the_schema_is_one_click_away(visit: Visit) -> None:
    await visit.page.get_by_role("button", name="Show Documentation Explorer").click()
    documentation = visit.page.locator(".graphiql-doc-explorer")
    await documentation.get_by_text("Query", exact=True).click()
    await expect(documentation).to_contain_text("agents(")


async def test_nothing_leaves_the_origin_and_nothing_is_complained_about(visit: Visit, origin: str) -> None:
    await expect(await run_query(visit.page)).to_contain_text('"data"')
    # The editor's workers are at work by then: what they load counts as well.
    assert any("worker" in url for url in visit.requests)
    assert [url for url in visit.requests if not url.startswith((f"{origin}/", "data:"))] == []
    assert visit.refused == []
    assert visit.complaints == []


@pytest.mark.parametrize(
    ("path", "attempt", "directive"),
    [
        (
            "/graphql",
            "document.body.append(Object.assign(new Image(), { src: 'https://elsewhere.example/' }))",
            "img-src",
        ),
        ("/explorer", "fetch('https://elsewhere.example/').catch(String)", "connect-src"),
        ("/explorer", "document.body.setAttribute('onclick', 'alert()')", "script-src-attr"),
    ],
)
async def test_what_the_policy_forbids_is_noticed(
    browser: Browser, origin: str, path: str, attempt: str, directive: str
) -> None:
    async def visit() -> None:
        async with browsing(browser, origin) as context:
            page = await context.new_page()
            await page.goto(path)
            await page.evaluate(attempt)
            await page.wait_for_timeout(200)

    with pytest.raises(AssertionError, match=directive):
        await visit()


async def test_the_page_is_checked_again_and_its_assets_are_kept(origin: str) -> None:
    async with httpx.AsyncClient(base_url=origin, headers={"accept": BROWSER_ACCEPT}) as client:
        page = await client.get("/graphql")
        assets = re.findall(r'"(/static/assets/[^"]+)"', page.text)
        asset = await client.get(assets[0])
        unknown = await client.get("/static/assets/unknown.js")
    assert page.status_code == 200
    assert page.headers["cache-control"] == "no-cache"
    assert page.headers["vary"] == "Accept"
    assert page.headers["content-security-policy"] == CONTENT_SECURITY_POLICY
    assert asset.status_code == 200
    assert asset.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert unknown.status_code == 404


async def visit_unbuilt(static: Path) -> httpx.Response:
    """Opens GraphiQL as a browser does on a server whose built files are in `static`."""
    app = Starlette(routes=[Route("/graphql", lambda request: graphiql_page(request, static)), mount_assets(static)])
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://society.test") as client:
        assert (await client.get("/static/assets/main.js")).status_code == 404
        return await client.get("/graphql", headers={"accept": BROWSER_ACCEPT})


async def test_a_page_that_was_never_built_says_how_to_build_it(tmp_path: Path) -> None:
    answer = await visit_unbuilt(tmp_path / "static")
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "It has not been built yet." in answer.text
    assert "<code>make web</code>" in answer.text
    assert "curl http://society.test/graphql " in answer.text


async def test_a_page_whose_build_failed_says_why_and_no_more(tmp_path: Path) -> None:
    (tmp_path / "failure.txt").write_text("bundling failed: <vite>\n\n/home/someone/secret")
    answer = await visit_unbuilt(tmp_path)
    assert answer.status_code == 503
    assert "The last build failed: bundling failed: &lt;vite&gt;." in answer.text
    assert "secret" not in answer.text


@pytest.mark.parametrize(
    ("method", "accept", "query", "wanted"),
    [
        ("GET", BROWSER_ACCEPT, "", True),
        ("HEAD", "text/html", "", True),
        ("GET", BROWSER_ACCEPT, "query={__typename}", False),
        ("GET", "*/*", "", False),
        ("GET", "application/graphql-response+json", "", False),
        ("POST", BROWSER_ACCEPT, "", False),
    ],
)
def test_only_a_browser_that_opens_the_address_gets_the_page(
    method: str, accept: str, query: str, wanted: bool
) -> None:
    headers = [(b"accept", accept.encode())]
    scope = {"type": "http", "method": method, "headers": headers, "query_string": query.encode()}
    assert wants_page(Request(scope)) is wanted
