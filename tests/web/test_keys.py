"""The pages on a server that asks who is there: they are given without a key, and can be given one."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator

import pytest
import uvicorn
from playwright.async_api import Browser, Page, expect

from graph.database import Database
from server.access import Scope
from server.app import create_app
from server.keys import make_key, write_line
from server.settings import Settings
from tests.web.conftest import SOCIETY, browsing

KEY = make_key()


@pytest.fixture
async def guarded(built_pages: None, database: Database, settings: Settings) -> AsyncIterator[str]:
    """The address of the whole application over a society of two, which wants a key."""
    await database.write("society", SOCIETY)
    app = create_app(settings.model_validate(settings.model_dump() | {"api_keys": write_line("ann", Scope.READ, KEY)}))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="on"))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        await serving


@pytest.fixture
async def page(browser: Browser, guarded: str) -> AsyncIterator[Page]:
    async with browsing(browser, guarded) as context:
        yield await context.new_page()


async def test_the_explorer_asks_for_a_key_and_keeps_it_for_the_tab(page: Page) -> None:
    await page.goto("/explorer")
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_contain_text("Send an API key or a token")
    await dialog.get_by_label("API key or token").fill("ecs_wrong")
    await dialog.get_by_role("button", name="Use").click()
    await expect(dialog).to_contain_text("The API key is not known.")
    await dialog.get_by_label("API key or token").fill(KEY)
    await page.keyboard.press("Enter")
    await expect(page.locator("#status")).to_have_text("2 agents, 1 relationships", timeout=30_000)
    await expect(dialog).to_have_count(0)
    await page.reload()
    await expect(page.locator("#status")).to_have_text("2 agents, 1 relationships", timeout=30_000)
    await expect(dialog).to_have_count(0)
    assert KEY not in page.url
    assert await page.evaluate("Object.keys(localStorage).length") == 0


async def test_who_gives_no_key_is_told_why_nothing_is_seen(page: Page) -> None:
    await page.goto("/explorer")
    await page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    await expect(page.locator("main")).to_contain_text("Send an API key or a token")
    await expect(page.get_by_role("dialog")).to_have_count(0)


async def test_graphiql_sends_the_headers_that_are_typed(page: Page, guarded: str) -> None:
    frames: list[str] = []
    page.on("websocket", lambda opened: opened.on("framesent", lambda frame: frames.append(str(frame))))
    await page.goto("/graphql")
    await page.get_by_role("button", name="Headers").click()
    await page.locator(".graphiql-editor-tool .view-lines").last.click()
    await page.keyboard.insert_text(f'{{"Authorization": "Bearer {KEY}"}}')
    await page.get_by_role("button", name=re.compile("Execute query")).click()
    await expect(page.locator(".graphiql-response")).to_contain_text('"name": "Maria Lopez"')
    await page.locator(".graphiql-query-editor .view-lines").click()
    await page.keyboard.press("Control+a")
    await page.keyboard.insert_text("subscription Society { societyEvents { kind agents { name } } }")
    await page.wait_for_timeout(1500)
    await page.keyboard.press("Control+Enter")
    for _ in range(200):
        if any('"subscribe"' in frame for frame in frames):
            break
        await page.wait_for_timeout(100)
    assert KEY in frames[0]
    assert '"subscribe"' in frames[-1], "the socket was let in"
