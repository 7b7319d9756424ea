"""What people see while a command works."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


def fail(message: str) -> None:
    """Says in a line each what went wrong."""
    for line in message.splitlines():
        err.print(Text.assemble(("error: ", "bold red"), line), soft_wrap=True)


@contextmanager
def steps(console: Console = err) -> Iterator[Callable[[str], None]]:
    """Shows what is happening at the moment; where there is no terminal, a line for each step.

    It goes to standard error, so that a command's result stays alone on standard output.
    """
    if not console.is_terminal:
        last = ""

        def say(message: str) -> None:
            nonlocal last
            # A count that goes up is one step.
            step = message.partition(":")[0]
            if step != last:
                console.print(message, soft_wrap=True)
            last = step

        yield say
        return
    with console.status("") as status:
        yield status.update


class RateColumn(ProgressColumn):
    """How many a second."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:,.0f}/s" if task.speed else "", style="dim")


@contextmanager
def bars() -> Iterator[Callable[[str, int, int | None], None]]:
    """Shows a bar for each kind of thing that is worked through: its name, how many are done, of how many."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), RateColumn())
    with Progress(*columns, TimeElapsedColumn(), console=err) as progress:
        tasks = {}

        def show(kind: str, done: int, total: int | None) -> None:
            if kind not in tasks:
                tasks[kind] = progress.add_task(kind, total=total)
            progress.update(tasks[kind], completed=done, total=total)

        yield show
