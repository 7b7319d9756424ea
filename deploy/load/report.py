"""What a run found, as tables and a picture."""

from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from deploy.load.figures import Figures, percentiles
from deploy.load.metrics import Told
from deploy.load.plot import write_plot
from deploy.load.processes import GENERATOR, SERVERS, Watch


@dataclass(frozen=True)
class Result:
    """Latencies, the processes' memory, and what the server tells of itself, if it does."""

    figures: Figures
    watch: Watch
    told: Told | None


def latency_table(figures: Figures, title: str) -> Table:
    table = Table("operation", "requests", "p50 ms", "p95 ms", "p99 ms", "max ms", "errors", title=title)
    rows = [(label, tally.latencies, tally.errors) for label, tally in figures.operations.items()]
    for label, latencies, errors in [*rows, ("all", figures.all_latencies(), figures.errors)]:
        told = percentiles(latencies, (0.5, 0.95, 0.99, 1.0))
        table.add_row(label, f"{len(latencies):,}", *(f"{each * 1000:,.1f}" for each in told), f"{errors.total():,}")
    return table


def process_table(watch: Watch) -> Table:
    table = Table("process", "peak MB", "last MB", "CPU %", title="Resident memory")
    last = watch.samples[-1][1] if watch.samples else {}
    for role in (*SERVERS, GENERATOR):
        if peak := watch.peak(role):
            held = last.get(role, 0)
            table.add_row(role, f"{peak / 1e6:,.0f}", f"{held / 1e6:,.0f}", f"{watch.cpu(role) * 100:.0f}")
    together = sum(last.get(role, 0) for role in SERVERS)
    table.add_row("servers together", f"{watch.peak(*SERVERS) / 1e6:,.0f}", f"{together / 1e6:,.0f}", "")
    return table


def tell(told: Told | None) -> str:
    if told is None:
        return "Cache hits, time of queries: not told by the server."
    found, passed = ("none" if share is None else f"{share:.1%}" for share in (told.found, told.passed))
    took = "" if told.query_seconds is None else f", {told.query_seconds * 1000:.1f} ms each on average"
    cache = f"Cache hits: {found} of the rows that were looked for; {passed} of all were read past it."
    return f"{cache}\nThe database: {told.queries:,} queries and transactions{took}."


def report(result: Result, title: str, plot: Path, out: Console) -> None:
    """Prints what was found and writes the plot."""
    figures, watch = result.figures, result.watch
    out.print(latency_table(figures, title))
    if watch.peak(*SERVERS):
        out.print(process_table(watch))
    (late,) = percentiles(figures.sent_late, (0.99,))
    out.print(tell(result.told), f"Of these latencies the generator's own delay, p99: {late * 1000:.1f} ms.", sep="\n")
    if figures.early_errors:
        out.print(f"[red]{figures.early_errors:,} requests failed while all warmed up[/], and are not in the table.")
    for code, message in figures.said.items():
        out.print(f"[red]{code}[/]: {figures.errors[code]:,} times; the first was {message!r}", soft_wrap=True)
    try:
        write_plot(plot, figures, watch, title)
    except ImportError:
        out.print("Going on without a plot: matplotlib is missing (pip install -e '.[load]').")
    except OSError as error:
        out.print(f"Going on without a plot: {plot} cannot be written: {error.strerror}.")
    else:
        out.print(f"Plot: {plot}")
