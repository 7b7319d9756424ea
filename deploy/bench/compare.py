"""Compares this project with its peers: one machine, one database, the same questions, the systems in turn.

Before anything is measured every system must give this project's own answers. Then, round by round, each question
is asked of each system at each number of connections; medians of the rounds and their ratios are shown.
"""

import asyncio
import os
import platform
import signal
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Annotated

import psutil
import typer
from rich.console import Console
from rich.table import Table

from deploy.bench.load import Figures, LoadError, check_wrk, send_load
from deploy.bench.queries import QUESTIONS, Person, Question, Variables, rows_of, written
from deploy.bench.systems import CACHED, COMMANDS, NEO4J_GRAPHQL, PROJECT, System, install_node_project, running
from deploy.servers import temporary_servers
from graph.database import Database
from graph.embedded.servers import EmbeddedServers
from graph.ingest.synthetic import seed_society
from graph.migrations import migrate

RESULTS = Path(__file__).with_name("RESULTS.md")
KEYS = "MATCH (a:Agent) RETURN a.key, a.id ORDER BY a.key"
BODIES = 2000
SEEDING_SECONDS = 1800
# Fewer answers in a measurement, or on each connection, say little: they come in waves, which its end cuts anywhere.
FEW = 30
FEW_EACH = 10
# So many times as long is measured then.
LONGER = 5
CHECKED = 5
# How often each request comes, about, until a cache is warm, and so many times as long as wished that may take.
WARMED = 3
LONGEST_WARMING = 12
out = Console()

# What is written down: agents with memories and relationships each.
SOCIETIES = "10000x30x15,1000x1000x15"

# Which question, of which system, at how many connections.
Cell = tuple[str, str, int]


@dataclass(frozen=True)
class Plan:
    """What is measured, how often and for how long each time, in seconds."""

    questions: Sequence[Question]
    connections: Sequence[int]
    rounds: int
    seconds: float
    warming: float
    society: tuple[int, int, int]


@dataclass
class Bench:
    """The systems that run, who is asked about, and where the requests are kept."""

    systems: list[System]
    people: list[Person]
    folder: Path
    plan: Plan
    found: dict[Cell, list[Figures]] = field(default_factory=lambda: defaultdict(list))

    def bodies(self, system: System, question: Question) -> Path:
        return self.folder / f"{self.systems.index(system)}-{self.plan.questions.index(question)}.bodies"

    def prepare(self) -> None:
        """Writes down the requests, the same for every system."""
        for question in self.plan.questions:
            for system in self.systems:
                random = Random(1)  # noqa: S311
                cursors: dict[str, Variables] = {}
                lines: list[bytes] = []
                for _ in range(BODIES):
                    variables = question.draw(random, self.people)
                    lines.append(system.body(question, deepen(system, question, variables, cursors)))
                self.bodies(system, question).write_bytes(b"\n".join(lines))

    def check(self) -> None:
        """Raises LoadError unless every system answers as the first one does."""
        for question in self.plan.questions:
            for number in range(1 if question.writes else CHECKED):
                variables = question.draw(Random(number), self.people)  # noqa: S311
                answers = [
                    rows_of(system.ask(question, deepen(system, question, variables, {}))) for system in self.systems
                ]
                for system, answer in zip(self.systems, answers, strict=True):
                    same = written(answer) > 0 if question.writes else answer == answers[0]
                    if not same:
                        raise LoadError(
                            f"{system.name} answers {question.name} of {variables} otherwise: {answer!r:.400}, "
                            f"not {answers[0]!r:.400}"
                        )

    def measure(self) -> None:
        """Asks in turn, so that a noisy moment meets all; each round begins with another system."""
        for turn in range(self.plan.rounds + 1):
            order = self.systems[turn % len(self.systems) :] + self.systems[: turn % len(self.systems)]
            for question in self.plan.questions:
                # The first round only warms up.
                for connections in self.plan.connections if turn else self.plan.connections[-1:]:
                    for system in order:
                        figures = self._ask(system, question, connections)
                        if turn:
                            self.found[question.name, system.name, connections].append(figures)
            out.print(f"Round {turn} of {self.plan.rounds}" if turn else "Warmed up")

    def _warm(self, system: System, bodies: Path) -> None:
        """Asks until each request came a few times: large answers are kept only when they are asked for again."""
        answers, ends = 0, time.monotonic() + LONGEST_WARMING * self.plan.warming
        while answers < WARMED * BODIES and time.monotonic() < ends:
            answers += send_load(system.url, bodies, connections=64, seconds=self.plan.warming).answers

    def _ask(self, system: System, question: Question, connections: int) -> Figures:
        bodies = self.bodies(system, question)
        if system.name == CACHED and not question.writes:
            # What it kept of this has gone meanwhile, by time or by what was kept since.
            self._warm(system, bodies)
        figures = send_load(system.url, bodies, connections=connections, seconds=self.plan.seconds)
        if figures.answers < max(FEW, FEW_EACH * connections):
            figures = send_load(system.url, bodies, connections=connections, seconds=LONGER * self.plan.seconds)
        system.settle()
        if figures.failed:
            out.print(
                f"[red]{system.name}, {question.name}: {figures.failed} requests failed.[/] {figures.first_failure}"
            )
        return figures


def deepen(system: System, question: Question, variables: Variables, known: dict[str, Variables]) -> Variables:
    """Adds the cursor that a question of a deep page needs, found by turning the system's pages."""
    if not question.depth:
        return variables
    name = repr(variables)
    if name not in known:
        turned = variables
        for _ in range(question.depth):
            info = system.ask(question, turned)["agents"]["pageInfo"]
            if not info["hasNextPage"]:
                raise LoadError(f"{question.name}: {variables} has too few pages; ask for more agents.")
            turned = variables | {"after": info["endCursor"]}
        known[name] = turned
    return known[name]


def tables(bench: Bench) -> list[Table]:
    """One table a question: medians of the rounds, and how many times as fast this project is."""
    return [table_of(bench, question) for question in bench.plan.questions]


def table_of(bench: Bench, question: Question) -> Table:
    table = Table("system", "conns", "answers/s", "p50 ms", "p99 ms", "failed", "ratio", title=question.name)
    for connections in bench.plan.connections:
        own = median(bench.found[question.name, PROJECT, connections], "rate")
        for place, system in enumerate(bench.systems):
            figures = bench.found[question.name, system.name, connections]
            rate = median(figures, "rate")
            table.add_row(
                system.name,
                str(connections),
                f"{'~' if median(figures, 'answers') < FEW else ''}{rate:,.{0 if rate >= 100 else 1}f}",
                f"{median(figures, 'p50'):.2f}",
                f"{median(figures, 'p99'):.2f}",
                str(sum(each.failed for each in figures)),
                f"{own / rate:.2f}" if rate else "",
                end_section=place == len(bench.systems) - 1,
            )
    return table


def median(figures: Sequence[Figures], name: str) -> float:
    return statistics.median(getattr(each, name) for each in figures)


def report(benches: Sequence[Bench]) -> str:
    """The tables as Markdown, with what they were measured on."""
    plan = benches[0].plan
    lines = [
        "# Compared with the peers",
        "",
        f"Measured by `make bench` on {datetime.now(UTC):%Y-%m-%d}: {os.cpu_count()} cores ({platform.machine()}), "
        f"{psutil.virtual_memory().total / 2**30:.0f} GiB, Python {platform.python_version()}; "
        f"{plan.rounds} rounds of {plan.seconds:g} s, "
        "medians. All systems, Neo4j and the load generator share the machine. The ratio is how many times as fast "
        f"{PROJECT} is without its cache; ~ marks figures of fewer than {FEW} answers a round. Each question "
        f"is asked with {BODIES:,} values of its variables, drawn at random; before a measurement the "
        f"cached system is asked until each came about {WARMED} times, for {plan.warming:g} s at least and "
        f"{LONGEST_WARMING * plan.warming:g} s at most.",
    ]
    for bench in benches:
        agents, memories, relationships = bench.plan.society
        lines += ["", f"## {agents:,} agents of {memories:,} memories and {relationships} relationships each"]
        for table in tables(bench):
            rows = [list(cells) for cells in zip(*(column.cells for column in table.columns), strict=True)]
            names = [str(column.header) for column in table.columns]
            lines += ["", f"### {table.title}", "", f"| {' | '.join(names)} |", "|---|" + "---:|" * (len(names) - 1)]
            lines += [f"| {' | '.join(map(str, row))} |" for row in rows]
    return "\n".join(lines) + "\n"


async def seed(servers: EmbeddedServers, society: tuple[int, int, int]) -> list[Person]:
    agents, memories, relationships = society
    url, password = servers.addresses.database_url, servers.password
    async with asyncio.timeout(SEEDING_SECONDS), Database.connect(url, user="neo4j", password=password) as database:
        await database.wait_until_ready(60)
        await migrate(database)
        await seed_society(
            database, agents=agents, memories=memories, relationships=relationships, knowledge=0, max_agents=agents
        )
        # Indexes and their statistics as they are after a while.
        await database.read("indexes", "CALL db.awaitIndexes(300)", deadline=300)
        return [Person(key, id) for key, id in await database.read("keys", KEYS)]


def choose(names: str | None) -> list[str]:
    """The systems that can run here, this project first; says of the others why they cannot."""
    chosen = [name for name in COMMANDS if not names or name == PROJECT or name in names.split(",")]
    if NEO4J_GRAPHQL in chosen and (reason := install_node_project()):
        out.print(f"Going on without {NEO4J_GRAPHQL}: {reason}.")
        chosen.remove(NEO4J_GRAPHQL)
    return chosen


def main(
    societies: Annotated[str, typer.Option(help="Agents x memories x relationships each, with commas.")] = SOCIETIES,
    rounds: Annotated[int, typer.Option(help="How often; the tables show medians.")] = 3,
    seconds: Annotated[float, typer.Option(help="How long each is measured each time, in whole seconds.")] = 5.0,
    warming: Annotated[float, typer.Option(help="How long a cache is warmed up each time, at least.")] = 5.0,
    connections: Annotated[str, typer.Option(help="How many connections ask at once.")] = "1,16,64",
    systems: Annotated[str | None, typer.Option(help="Which peers, by name, with commas between.")] = None,
    questions: Annotated[str | None, typer.Option(help="Which questions, by name, with commas between.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="A short run over few agents: does all work?")] = False,
    write: Annotated[bool, typer.Option("--write", help="Write the tables to RESULTS.md as well.")] = False,
) -> None:
    """Compare this project with its peers on embedded servers of their own."""
    # Ended from outside, it still ends what it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    sizes = [read_size(each) for each in ("1000x30x15" if quick else societies).split(",")]
    asked = [int(each) for each in connections.split(",")]
    wanted = [each for each in QUESTIONS if not questions or each.name in questions.split(",")]
    often, seconds, warming = (1, 1.0, 1.0) if quick else (rounds, seconds, warming)
    try:
        check_wrk()
        chosen, benches = choose(systems), list[Bench]()
        for size in sizes:
            benches.append(run(Plan(wanted, [16] if quick else asked, often, seconds, warming, size), chosen))
            for table in tables(benches[-1]):
                out.print(table)
            # A run that is ended early leaves what it has found.
            if write:
                RESULTS.write_text(report(benches), "utf-8")
    except LoadError as error:
        out.print(f"[red]{error}[/]")
        raise typer.Exit(1) from None


def read_size(text: str) -> tuple[int, int, int]:
    """Reads agents, memories and relationships. Raises typer.BadParameter."""
    try:
        agents, memories, relationships = map(int, text.split("x"))
    except ValueError:
        raise typer.BadParameter(f"--societies: {text!r} must be like 1000x30x15.") from None
    return agents, memories, relationships


def run(plan: Plan, names: list[str]) -> Bench:
    """Measures systems on embedded servers that end with it."""
    with (
        TemporaryDirectory(prefix="ecs-bench-", ignore_cleanup_errors=True) as kept,
        temporary_servers(out.print) as servers,
    ):
        folder, people = Path(kept), asyncio.run(seed(servers, plan.society))
        with running(names, servers, {person.key: person.id for person in people}, folder) as systems:
            bench = Bench(systems, people, folder, plan)
            bench.check()
            out.print("Every system gives the same answers.")
            bench.prepare()
            bench.measure()
    return bench


if __name__ == "__main__":
    typer.run(main)
