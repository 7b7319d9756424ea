"""What the tests of the web pages share: the built pages, the application on a real socket, and a real browser."""

import asyncio
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import uvicorn
from playwright.async_api import Browser, BrowserContext, async_playwright

from graph.database import Database
from server.app import create_app
from server.settings import Settings

ROOT = Path(__file__).parents[2]

SOCIETY = """
CREATE (maria:Agent {id: 'Agent:1', key: 'maria', name: 'Maria Lopez', createdAt: datetime(), updatedAt: datetime()})
CREATE (klaus:Agent {id: 'Agent:2', key: 'klaus', name: 'Klaus Mueller', createdAt: datetime(), updatedAt: datetime()})
CREATE (maria)-[:REMEMBERS]->(:Memory {
  id: 'Memory:1', agentId: maria.id, kind: 'CHAT', content: 'Klaus asked her to the party', importance: 0.8,
  createdAt: datetime(), accessedAt: datetime(), accessCount: 0
})
CREATE (maria)-[:RELATES_TO {
  id: 'Relationship:1', sourceId: maria.id, targetId: klaus.id,
  kind: 'friend', strength: 0.7, trust: 0.6, interactionCount: 1, firstMetAt: datetime()
}]->(klaus)
"""

NOTE_VIOLATIONS = """addEventListener('securitypolicyviolation', ({ effectiveDirective, blockedURI }) =>
  noteViolation(`${effectiveDirective}: ${blockedURI}`))"""


@asynccontextmanager
async def browsing(browser: Browser, origin: str) -> AsyncIterator[BrowserContext]:
    """A browser that nobody used before, whose pages attempt nothing that their Content-Security-Policy forbids."""
    context = await browser.new_context(viewport={"width": 1440, "height": 900}, base_url=origin)
    violations: list[str] = []
    await context.expose_binding("noteViolation", lambda _, violation: violations.append(violation))
    await context.add_init_script(NOTE_VIOLATIONS)
    yield context
    await context.close()
    assert violations == []


@pytest.fixture(scope="session")
def built_pages() -> None:
    """The pages in server/static, built now unless they are up to date."""
    done = subprocess.run([sys.executable, ROOT / "web" / "build.py"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture
async def origin(built_pages: None, database: Database, settings: Settings) -> AsyncIterator[str]:
    """The address on loopback of the whole application over a society of two, such as http://127.0.0.1:49152."""
    await database.write("society", SOCIETY)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(create_app(settings), log_level="warning", lifespan="on"))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        # The socket listens already, so a request that comes too early waits for the server.
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        await serving


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    """A headless Chromium."""
    chromium = shutil.which("chromium")
    if not chromium:
        missing = "needs a browser: install Debian's package `chromium`"
        pytest.fail(missing) if os.environ.get("CI") else pytest.skip(missing)
    # Without a graphics card WebGL is drawn by the processor, which Chromium does only when it is told to.
    flags = ["--disable-gpu", "--enable-unsafe-swiftshader", "--disable-quic", "--no-first-run", "--disable-sync"]
    flags += ["--disable-background-networking", "--disable-component-update"]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=flags)
        yield browser
        await browser.close()
