"""Lets thousands of agents ask and write at their own pace, and measures what they wait for.

Requests arrive at a constant rate whether or not the server keeps up, and a latency counts from the moment at which
the request was due, so that a server that stalls is charged for everybody who would have asked meanwhile.
"""

import resource
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Annotated
from urllib.parse import urlsplit

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from deploy.bench.load import LoadError
from deploy.load.figures import Figures, percentiles
from deploy.load.generator import Answer, Arrivals, GeneratorError, generating, missing
from deploy.load.metrics import between, read_counts
from deploy.load.operations import OPERATIONS, Person, take_turns
from deploy.load.processes import Find, Watch, family_behind, own_children
from deploy.load.report import Result, report
from deploy.load.society import FEWEST_PERSONS, embedded, prime, read_society
from graph.embedded.servers import EmbeddedError

out = Console(highlight=False)


def measure(url: str, persons: list[Person], arrivals: Arrivals, find: Find, warm_up: float = 0.0) -> Result:
    """Sends the load and shows how it goes. Raises GeneratorError."""
    before = read_counts(url)
    figures = Figures(since=warm_up)
    requests = take_turns(persons, Random(1))  # noqa: S311
    with generating(f"{url}/graphql", arrivals, requests) as answers, Watch(find) as watch, showing(arrivals) as show:
        for answer in answers:
            figures.add(answer)
            show(answer, figures)
    return Result(figures, watch, between(before, read_counts(url)))


@contextmanager
def showing(arrivals: Arrivals) -> Iterator[Callable[[Answer, Figures], None]]:
    """Shows how many requests are answered, and how fast they were in the last second."""
    columns = (TextColumn("Load"), BarColumn(), TextColumn("{task.completed:,} of {task.total:,}"))
    figures = TextColumn("{task.fields[now]}")
    # It is drawn on the machine that is measured.
    with Progress(*columns, TimeElapsedColumn(), figures, console=out, refresh_per_second=1) as progress:
        task = progress.add_task("", total=arrivals.requests, now="")
        shown, latest = time.monotonic(), list[float]()

        def show(answer: Answer, figures: Figures) -> None:
            nonlocal shown
            latest.append(answer.latency)
            passed = time.monotonic() - shown
            if passed >= 1 or figures.count == arrivals.requests:
                (p95,) = percentiles(latest, (0.95,))
                now = f"p95 {p95 * 1000:,.0f} ms, {figures.errors.total() + figures.early_errors:,} errors"
                progress.update(task, completed=figures.count, now=now)
                shown = time.monotonic()
                latest.clear()

        yield show


def allow_files() -> None:
    """Lets this process and those it starts open as many files as the system allows: a connection is one for each."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def main(
    url: Annotated[str | None, typer.Option(help="A running server, such as http://127.0.0.1:8000.")] = None,
    agents: Annotated[int, typer.Option(min=FEWEST_PERSONS, help="How many agents act.")] = 10_000,
    memories: Annotated[int, typer.Option(min=0, help="How many memories each has at first.")] = 30,
    relationships: Annotated[int, typer.Option(min=0, help="How many relationships each has, on average.")] = 15,
    minutes: Annotated[float, typer.Option(min=0.01, help="For how long.")] = 5.0,
    warm_up: Annotated[
        float, typer.Option(min=0, help="How many seconds before that are not measured, in which Java compiles.")
    ] = 60.0,
    period: Annotated[float, typer.Option(min=0.1, help="How many seconds lie between an agent's turns.")] = 20.0,
    connections: Annotated[
        int | None, typer.Option(min=1, help="How many connections there are at most; one for each agent unless given.")
    ] = None,
    memory_limit: Annotated[
        int | None, typer.Option(help="Bytes that embedded servers divide among them; the machine's unless given.")
    ] = None,
    plot: Annotated[Path, typer.Option(help="Where the plot goes.")] = Path("build/load.png"),
) -> None:
    """Let agents ask for their context, then write a memory and an interaction at once, each once a period.

    Without --url it serves a society of that size from embedded servers of its own; with it, nothing is seeded, and
    as many of the server's agents act as there are.
    """
    # Ended from outside, it still ends what it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    allow_files()

    def load(url: str, find: Find) -> None:
        persons = read_society(url, agents)
        prime(url, persons[0])
        rate = len(persons) * len(OPERATIONS) / period
        requests = max(1, round((minutes * 60 + warm_up) * rate))
        title = f"{len(persons):,} agents, a turn every {period:g} s: {rate:,.0f} requests/s for {minutes:g} min"
        out.print(f"{title}, after {warm_up:g} s to warm up")
        arrivals = Arrivals(requests=requests, rate=rate, connections=connections or len(persons))
        report(measure(url, persons, arrivals, find, warm_up), title, plot, out)

    try:
        if fault := missing():
            raise GeneratorError(fault)
        if url:
            parts = urlsplit(url)
            load(f"{parts.scheme}://{parts.netloc}", family_behind(url))
        else:
            with embedded((agents, memories, relationships), memory_limit, out.print) as own:
                load(own, own_children)
    except (GeneratorError, LoadError, EmbeddedError) as error:
        out.print(f"[red]{error}[/]")
        raise typer.Exit(1) from None


if __name__ == "__main__":
    typer.run(main)
