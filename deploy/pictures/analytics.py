"""Draws docs/analytics.png: what the five questions of the README's analytics chapter are answered.

The questions are read from the README and asked over GraphQL, of embedded servers with Les Misérables.
"""

import asyncio
import re
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Annotated, Any

import httpx
import igraph
import matplotlib as mpl
import typer
from matplotlib import pyplot
from matplotlib.axes import Axes
from pydantic import SecretStr

from deploy.servers import temporary_servers
from graph.database import Database
from graph.embedded.servers import EmbeddedServers
from graph.ingest.les_miserables import seed_les_miserables
from graph.migrations import migrate
from server.app import create_app
from server.settings import Settings

ROOT = Path(__file__).parents[2]
WHOLE = """{ agents(first: 100) { nodes { key name network { community { id } centrality(by: PAGERANK) }
  relationships(first: 100) { edges { strength node { key } } } } } }"""
COLOURS = ("#4e79a7", "#f28e2b", "#59a14f", "#e15759", "#b07aa1", "#76b7b2")
OTHER, MARKED, LINE = "#8a909c", "#e0218a", "#d3d7df"


def read_questions() -> list[str]:
    """Lists the queries of the README's analytics chapter."""
    chapter = (ROOT / "README.md").read_text().split("\n## Analytics\n")[1].split("\n## ")[0]
    return re.findall(r"```graphql\n(.*?)```", chapter, re.DOTALL)


async def ask_all(settings: Settings, questions: list[str]) -> list[Any]:
    """Asks over the API. Ends the program with what a query is refused for."""
    app, answers = create_app(settings), list[Any]()
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://picture", timeout=120) as client:
            for question in questions:
                answer = (await client.post("/graphql", json={"query": question})).json()
                if "errors" in answer:
                    raise SystemExit(answer["errors"][0]["message"])
                answers.append(answer["data"])
    return answers


async def gather(servers: EmbeddedServers) -> list[Any]:
    url, password = servers.addresses.database_url, servers.password
    async with Database.connect(url, user="neo4j", password=password) as database:
        await database.wait_until_ready(60)
        await migrate(database)
        await seed_les_miserables(database, max_agents=100)
    settings = Settings(database_url=SecretStr(url), database_password=SecretStr(password), deadline=60)  # pyright: ignore[reportCallIssue]
    return await ask_all(settings, [*read_questions(), WHOLE])


def draw_figures(axes: Axes, society: dict[str, Any]) -> None:
    axes.set_title("What is this society like?")
    axes.axis("off")
    names = {"averageClustering": "average clustering"}
    rows = [(name, value) for name, value in society.items() if name != "asOf"]
    for place, (name, value) in enumerate(rows):
        height = 0.92 - place * 0.13
        axes.text(0.02, height, names.get(name, name), transform=axes.transAxes)
        axes.text(0.98, height, f"{value:.3g}", transform=axes.transAxes, ha="right", weight="bold")


def draw_bars(axes: Axes, title: str, bars: list[tuple[str, float, str]]) -> None:
    """Draws bars, the first on top, of a label, a value and a colour."""
    axes.set_title(title)
    labels, values, colours = zip(*bars, strict=True)
    places = range(len(bars))
    drawn = axes.barh(places, values, color=colours)
    axes.bar_label(drawn, fmt="%.3g", padding=3, fontsize=8)
    axes.set_yticks(places, labels)
    axes.invert_yaxis()
    axes.set_xticks([])
    axes.margins(x=0.18)


def draw_network(axes: Axes, agents: list[dict[str, Any]], path: list[str]) -> None:
    """Draws all agents by PageRank and community, and marks a path."""
    axes.set_title("How does word get from Napoleon to Gavroche, most surely?")
    axes.axis("off")
    number = {agent["key"]: place for place, agent in enumerate(agents)}
    ties = {
        tuple(sorted((number[agent["key"]], number[tie["node"]["key"]]))): tie["strength"]
        for agent in agents
        for tie in agent["relationships"]["edges"]
    }
    igraph.set_random_number_generator(Random(7))  # noqa: S311
    drawn = igraph.Graph(len(agents), list(ties)).layout_fruchterman_reingold(niter=2000, weights=list(ties.values()))
    x, y = zip(*drawn.coords, strict=True)
    communities = [agent["network"]["community"]["id"] for agent in agents]
    order = sorted(set(communities), key=lambda each: (-communities.count(each), each))
    along = {tuple(sorted(map(number.__getitem__, pair))) for pair in pairwise(path)}
    for pair, strength in ties.items():
        marked = pair in along
        axes.plot(
            [x[each] for each in pair], [y[each] for each in pair], zorder=2 if marked else 1,
            color=MARKED if marked else LINE, linewidth=2.5 if marked else 0.3 + 1.5 * strength,
        )  # fmt: skip
    colours = [COLOURS[place] if (place := order.index(each)) < len(COLOURS) else OTHER for each in communities]
    axes.scatter(x, y, s=[20 + 6000 * agent["network"]["centrality"] for agent in agents], c=colours, zorder=3)
    for key in path:
        axes.annotate(agents[number[key]]["name"], (x[number[key]], y[number[key]]), fontsize=8, zorder=4)


def draw(answers: list[Any], target: Path) -> None:
    """Draws the answers to all questions."""
    like, matters, groups, word, cosette, whole = answers
    mpl.rcParams.update({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False})
    figure, places = pyplot.subplot_mosaic(
        [["like", "pagerank", "betweenness"], ["path", "path", "groups"], ["path", "path", "suggestions"]],
        figsize=(12, 9), layout="constrained",
    )  # fmt: skip
    draw_figures(places["like"], like["society"])
    for name, title, field in (
        ("pagerank", "Who matters? (PageRank)", "ranking"),
        ("betweenness", "Who holds it together? (betweenness)", "bridges"),
    ):
        edges = matters["society"][field]["edges"]
        draw_bars(places[name], title, [(each["node"]["name"], each["score"], COLOURS[0]) for each in edges])
    communities = groups["society"]["communities"]["nodes"]
    bars = [
        (f"{each['members']['nodes'][0]['name']} …\n{', '.join(topic['name'] for topic in each['topics'])}",
         each["size"], COLOURS[place]) for place, each in enumerate(communities)
    ]  # fmt: skip
    draw_bars(places["groups"], "Which groups are there? (agents)", bars)
    agents = whole["agents"]["nodes"]
    keys = {agent["name"]: agent["key"] for agent in agents}
    draw_network(places["path"], agents, [keys[each["name"]] for each in word["society"]["path"]["agents"]])
    suggestions = cosette["agent"]["network"]["suggestions"]
    draw_bars(
        places["suggestions"], "Whom should Cosette get to know?",
        [(each["agent"]["name"], each["score"], COLOURS[2]) for each in suggestions],
    )  # fmt: skip
    figure.savefig(target, dpi=80)


def main(target: Annotated[Path, typer.Argument(help="Where the picture goes.")] = ROOT / "docs/analytics.png") -> None:
    """Draw the answers to the five questions of the README."""
    mpl.use("agg")
    with temporary_servers(lambda _: None) as servers:
        answers = asyncio.run(gather(servers))
    draw(answers, target)


if __name__ == "__main__":
    typer.run(main)
