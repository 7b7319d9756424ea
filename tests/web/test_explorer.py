"""The explorer as a person meets it, in a real browser, over the real application."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Literal

import httpx
import pytest
from playwright.async_api import Browser, Page, expect
from playwright.async_api import Route as Request
from starlette.applications import Starlette
from starlette.routing import Route

from graph.database import Database
from graph.ingest.les_miserables import seed_les_miserables
from graph.ingest.synthetic import seed_society
from server.graphiql import explorer_page
from tests.conftest import WIPE
from tests.mutations import ADD
from tests.web.conftest import browsing
from tests.web.test_graphiql import BROWSER_ACCEPT, Visit

SIZE = "key => society.getNodeAttribute(key, 'size')"
# How bright an element's ground and text are, from 0 to 255.
COLOURS = """place => {
  const style = getComputedStyle(document.querySelector(place))
  const paint = new OffscreenCanvas(1, 1).getContext('2d')
  return [style.backgroundColor, style.color].map(colour => {
    paint.fillStyle = colour
    paint.fillRect(0, 0, 1, 1)
    const [red, green, blue] = paint.getImageData(0, 0, 1, 1).data
    return (red + green + blue) / 3
  })
}"""
NAMELESS = """[...document.querySelectorAll('a, button, input, select, [role=img], aside, ul')]
  .filter(each => each.checkVisibility() && !each.labels?.length && !each.getAttribute('aria-label')
    && !each.getAttribute('aria-labelledby') && !each.innerText?.trim())
  .filter(each => each.childElementCount || !each.matches('ul'))
  .map(each => each.outerHTML)"""
FRAMES = """async () => {
  let frames = 0
  const canvas = document.querySelector('#picture .sigma-mouse')
  const { left, top, width, height } = canvas.getBoundingClientRect()
  const [x, y] = [left + width / 2, top + height / 2]
  const send = (type, to, dx) => to.dispatchEvent(
    new MouseEvent(type, { bubbles: true, clientX: x + dx, clientY: y, button: 0, view: window }))
  send('mousedown', canvas, 0)
  const start = performance.now()
  while (performance.now() - start < 3000) {
    send('mousemove', document, 150 * Math.sin((performance.now() - start) / 300))
    await new Promise(requestAnimationFrame)
    frames++
  }
  send('mouseup', document, 0)
  return frames / (performance.now() - start) * 1000
}"""


@pytest.fixture
async def visit(browser: Browser, origin: str, database: Database) -> AsyncIterator[Visit]:
    """A page that is not opened yet, beside a server of Les Misérables."""
    await database.write("wipe", WIPE, deadline=60)
    await seed_les_miserables(database, max_agents=100)
    async with browsing(browser, origin) as context:
        yield Visit(await context.new_page())


async def open_society(page: Page, fragment: str = "") -> None:
    """Opens the explorer and waits until the graph is drawn and laid out."""
    await page.goto(f"/explorer{fragment}")
    await expect(page.locator("#picture")).to_have_attribute("data-layout", "settled", timeout=60_000)


async def test_the_graph_is_the_society_s_own_and_nothing_is_complained_about(visit: Visit, origin: str) -> None:
    await open_society(visit.page)
    await expect(visit.page.locator("#status")).to_have_text("77 agents, 254 relationships")
    await expect(visit.page.locator("#notices")).to_be_empty()
    assert await visit.page.evaluate("society.order") == 77
    assert await visit.page.evaluate("new Set(society.mapNodes((_, { color }) => color)).size") > 3
    assert await visit.page.evaluate("new Set(society.mapNodes((_, { x }) => x)).size") == 77
    assert [url for url in visit.requests if not url.startswith((f"{origin}/", "data:"))] == []
    assert visit.refused == []
    # Chromium's own remarks on drawing without a graphics card are not about the page.
    assert [said for said in visit.complaints if "GL Driver Message" not in said] == []


async def test_sizes_follow_the_centrality_that_is_chosen(visit: Visit) -> None:
    await open_society(visit.page)
    before = await visit.page.evaluate(SIZE, "gavroche")
    largest = await visit.page.evaluate(SIZE, "jean_valjean")
    assert 3 < before < largest == 16
    await visit.page.get_by_label("Size by").select_option("BETWEENNESS")
    await visit.page.wait_for_function(f"before => ({SIZE})('gavroche') !== before", arg=before)
    assert await visit.page.evaluate(SIZE, "jean_valjean") == 16
    await expect(visit.page.locator("#status")).to_have_text("77 agents, 254 relationships")


async def test_a_deep_link_opens_a_panel_and_the_back_button_returns_to_it(visit: Visit) -> None:
    await open_society(visit.page, "#agent=jean_valjean")
    panel = visit.page.locator("#panel")
    await expect(panel.get_by_role("heading", level=2)).to_have_text("Jean Valjean")
    strongest = panel.get_by_role("list", name="Strongest relationships").get_by_role("link").first
    name = await strongest.inner_text()
    await strongest.click()
    await expect(panel.get_by_role("heading", level=2)).to_have_text(name)
    await visit.page.go_back()
    await expect(panel.get_by_role("heading", level=2)).to_have_text("Jean Valjean")
    await panel.get_by_role("button", name="Close").click()
    await expect(panel).to_be_hidden()


async def test_a_panel_shows_memories_and_what_happens_now(visit: Visit, origin: str) -> None:
    await open_society(visit.page, "#agent=javert")
    panel = visit.page.locator("#panel")
    memories = panel.get_by_role("list", name="Most important memories")
    await expect(memories.get_by_role("listitem").nth(3)).to_be_visible()
    events = panel.get_by_role("list", name="Live events")
    async with httpx.AsyncClient(base_url=origin) as client:
        # Nobody is told when the page follows, so it gets several chances.
        for _ in range(20):
            memory = {"agent": "javert", "content": "The stars keep watch", "importance": 0.4}
            await client.post("/graphql", json={"query": ADD, "variables": {"input": {"memories": [memory]}}})
            await visit.page.wait_for_timeout(300)
            if await events.get_by_role("listitem").count():
                break
    await expect(events).to_contain_text("memory added The stars keep watch")


async def test_search_finds_agents_as_one_types(visit: Visit) -> None:
    await open_society(visit.page)
    await visit.page.get_by_role("searchbox", name="Search").press_sequentially("cosett")
    await visit.page.locator("#found").get_by_role("link", name="Cosette", exact=True).first.click()
    await expect(visit.page.locator("#panel").get_by_role("heading", level=2)).to_have_text("Cosette")
    await expect(visit.page.locator("#found")).to_be_hidden()


async def test_a_keyboard_is_enough(visit: Visit) -> None:
    await open_society(visit.page)
    keyboard = visit.page.keyboard
    for name in ("Size by", "Search"):
        await keyboard.press("Tab")
        await expect(visit.page.get_by_label(name)).to_be_focused()
    await keyboard.type("cosett")
    await expect(visit.page.locator("#found").get_by_role("link", name="Cosette", exact=True).first).to_be_visible()
    await keyboard.press("Tab")
    await keyboard.press("Enter")
    panel = visit.page.locator("#panel")
    await expect(panel.get_by_role("heading", level=2)).to_have_text("Cosette")
    await expect(panel).to_be_focused()
    await keyboard.press("Escape")
    await expect(panel).to_be_hidden()


async def test_all_that_can_be_used_has_a_name(visit: Visit) -> None:
    await open_society(visit.page, "#agent=javert")
    await expect(visit.page.locator("#panel").get_by_role("heading", level=2)).to_have_text("Javert")
    assert await visit.page.evaluate(NAMELESS) == []


@pytest.mark.parametrize(("scheme", "least", "most"), [("light", 200, 255), ("dark", 0, 60)])
async def test_the_page_is_as_light_or_dark_as_the_reader_s_system(
    visit: Visit, scheme: Literal["light", "dark"], least: int, most: int
) -> None:
    await visit.page.emulate_media(color_scheme=scheme)
    await open_society(visit.page, "#agent=javert")
    for place in ("body", "header", "#panel"):
        ground, text = await visit.page.evaluate(COLOURS, place)
        assert least <= ground <= most
        assert abs(text - ground) > 150


async def test_a_shortest_path_is_found_marked_and_told(visit: Visit) -> None:
    await open_society(visit.page)
    await visit.page.get_by_label("Path from").fill("napoleon")
    await visit.page.get_by_label("to", exact=True).fill("gavroche")
    await visit.page.get_by_label("Path by").select_option("HOPS")
    await visit.page.get_by_role("button", name="Find").click()
    status = visit.page.locator("#status")
    await expect(status).to_contain_text(re.compile(r"^Napoleon → .* → Gavroche: 3 hops, cost 3\.000$"))
    path = await visit.page.locator("#picture").get_attribute("data-path")
    assert path
    assert len(path.split()) == 4
    await visit.page.get_by_label("to", exact=True).fill("nobody")
    await visit.page.get_by_role("button", name="Find").click()
    await expect(status).to_contain_text("nobody")


async def test_an_empty_society_and_an_unknown_agent_are_told_in_words(visit: Visit, database: Database) -> None:
    await database.write("wipe", WIPE, deadline=60)
    await visit.page.goto("/explorer#agent=nobody")
    await expect(visit.page.locator("#status")).to_contain_text("The society is empty")
    await expect(visit.page.locator("#panel")).to_contain_text("There is no agent with the key nobody.")


async def test_a_server_that_is_gone_is_told_in_words(visit: Visit) -> None:
    await visit.page.route("**/graphql", lambda route: route.abort())
    await visit.page.goto("/explorer")
    await expect(visit.page.locator("#status")).to_contain_text("The server does not answer.")


async def test_what_the_server_does_not_serve_is_said_and_the_rest_is_shown(visit: Visit) -> None:
    async def choose(asked: Request) -> None:
        if "Ranking" in (asked.request.post_data or ""):
            await asked.fulfill(json={"errors": [{"message": "Cannot query field 'ranking' on type 'Society'."}]})
        else:
            await asked.continue_()

    await visit.page.route("**/graphql", choose)
    await open_society(visit.page)
    await expect(visit.page.locator("#notices")).to_contain_text("This server has no centralities")
    assert await visit.page.evaluate("society.order") == 77


async def test_five_thousand_agents_are_drawn_and_moved(visit: Visit, database: Database) -> None:
    await database.write("wipe", WIPE, deadline=60)
    await seed_society(database, agents=5100, memories=0, relationships=6, knowledge=0, max_agents=10_000)
    await open_society(visit.page)
    assert await visit.page.evaluate("society.order") == 5000
    await expect(visit.page.locator("#notices")).to_contain_text(
        "The society has 5100 agents; the first 5000 are shown."
    )
    frames = await visit.page.evaluate(FRAMES)
    print(f"\n{await visit.page.inner_text('#status')}: {frames:.0f} frames a second while moving")
    assert frames > 0


async def test_the_explorer_that_was_never_built_says_how_to_build_it(tmp_path: Path) -> None:
    app = Starlette(routes=[Route("/explorer", lambda request: explorer_page(request, tmp_path))])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://society.test") as client:
        answer = await client.get("/explorer", headers={"accept": BROWSER_ACCEPT})
    assert answer.status_code == 503
    assert "<h1>Explorer is not built</h1>" in answer.text
    assert "curl http://society.test/graphql " in answer.text
