"""The `ecs` command."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from enum import Enum
from pathlib import Path
from typing import Annotated

import orjson
import typer

from graph.database import Database
from graph.embedded.servers import EmbeddedError
from graph.embedding import Embeddings, LocalModel
from graph.epoch import forget_everywhere
from graph.errors import SocietyError
from graph.ingest.arrivals import import_smallville
from graph.ingest.embeddings import fill_embeddings
from graph.ingest.export import export_jsonl
from graph.ingest.jsonl import import_jsonl
from graph.ingest.les_miserables import seed_les_miserables
from graph.ingest.synthetic import seed_society
from graph.migrations import applied
from graph.migrations import migrate as run_migrations
from schema.root import print_schema
from server.access import SCOPES
from server.display import bars, err, fail, out, steps
from server.doctor import diagnose
from server.endpoints import Endpoints, endpoints
from server.keys import make_key, write_line
from server.serve import PATIENCE, ServeError
from server.serve import serve as run_server
from server.settings import Settings, SettingsError, load_settings
from server.top import TopError, as_json, draw, look_once, watch
from server.tracing import TracingError
from server.worker import connect_database

HELP = """The ECS Memory & Interaction System: societies of AI agents in a graph, served over GraphQL.

Without ECS_DATABASE_URL every command uses the embedded database of ECS_DATA_DIR: that of a running
`ecs serve`, or one that it starts for as long as it runs. README.md lists all settings.
"""

app = typer.Typer(help=HELP, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode="markdown")
importing = typer.Typer(help="Bring a society in from files.", no_args_is_help=True)
exporting = typer.Typer(help="Write the society to files.", no_args_is_help=True)
app.add_typer(importing, name="import")
app.add_typer(exporting, name="export")


class Named(Enum):
    """Societies known from elsewhere."""

    LES_MISERABLES = "les-miserables"


class ScopeName(Enum):
    """What keys allow."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"


Work = Callable[[Database, Settings], Awaitable[None]]
# Processes of some 50 MB, each of which keeps a core busy.
MOST_MODELS = 8
EXPECTED = (SettingsError, TopError, TracingError, EmbeddedError, ServeError, SocietyError)


@contextmanager
def told_plainly() -> Iterator[None]:
    """Turns what can be expected to go wrong into lines for people, and exit status 1."""
    try:
        yield
    except EXPECTED as error:
        fail(str(error))
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        err.print("Interrupted.")
        raise typer.Exit(130) from None


@contextmanager
def opened() -> Iterator[Endpoints]:
    """The servers that the settings lead to, for as long as a command runs."""
    with told_plainly(), ExitStack() as stack:
        with steps() as say:
            found = stack.enter_context(endpoints(load_settings(), say))
        yield found


def with_database(work: Work, *, writes: bool = False) -> None:
    """Runs work on the society's database, brought up to date first.

    What `writes` is seen by servers that run beside it when it is over.
    """

    async def run(found: Endpoints) -> None:
        async with connect_database(found.settings) as database:
            with steps() as say:
                await database.wait_until_ready(PATIENCE)
                await run_migrations(database, say)
            try:
                await work(database, found.settings)
            finally:
                if writes and found.embedded is None:
                    await forget_everywhere(database)

    with opened() as found:
        asyncio.run(run(found))


def report(done: str, counts: dict[str, int]) -> None:
    """Says how many of each kind a command worked through."""
    counted = ", ".join(f"{count:,} {kind}" for kind, count in counts.items())
    out.print(f"{done} {counted or 'nothing'}", soft_wrap=True)


@app.command()
def serve() -> None:
    """Serve the API, with embedded servers unless ECS_DATABASE_URL names a database."""
    with told_plainly():
        run_server(load_settings())


@app.command()
def migrate() -> None:
    """Bring the graph's constraints and indexes up to date."""

    async def work(database: Database, _: Settings) -> None:
        versions = await applied(database)
        out.print(f"The graph is at migration {max(versions)}; its indexes are online.")

    with_database(work)


@app.command()
def seed(
    agents: Annotated[int, typer.Option(min=1, help="How many agents.")] = 1000,
    memories: Annotated[int, typer.Option(min=0, help="Memories an agent.")] = 30,
    relationships: Annotated[float, typer.Option(min=0, help="Relationships an agent, on average.")] = 15,
    knowledge: Annotated[float, typer.Option(min=0, help="Pieces of knowledge an agent, on average.")] = 3,
    seed: Annotated[int, typer.Option(help="The same number gives the same society.")] = 0,
    society: Annotated[Named | None, typer.Option(help="A known society instead of a synthetic one.")] = None,
) -> None:
    """Add a society to work with: a synthetic one, or a known one."""

    async def work(database: Database, settings: Settings) -> None:
        with bars() as show:
            if society:
                counts = await seed_les_miserables(database, max_agents=settings.max_agents, progress=show)
            else:
                counts = await seed_society(
                    database,
                    agents=agents,
                    memories=memories,
                    relationships=relationships,
                    knowledge=knowledge,
                    seed=seed,
                    max_agents=settings.max_agents,
                    progress=show,
                )
        report("Added", counts)

    with_database(work, writes=True)


Directory = Annotated[Path, typer.Argument(help="The folder.", file_okay=False)]
Directories = Annotated[list[Path], typer.Argument(help="Folders of saved simulations, imported together.")]


@importing.command("jsonl")
def import_jsonl_command(directory: Directory) -> None:
    """Import the files that `ecs export jsonl` writes. Everything is checked before anything is written."""

    async def work(database: Database, settings: Settings) -> None:
        with bars() as show:
            counts = await import_jsonl(database, directory, max_agents=settings.max_agents, progress=show)
        report("Imported", counts)

    with_database(work, writes=True)


@importing.command("smallville")
def import_smallville_command(directories: Directories) -> None:
    """Import saved simulations of generative agents: personas, memories, chats, and what is told of them."""

    async def work(database: Database, settings: Settings) -> None:
        with bars() as show:
            counts, notes = await import_smallville(
                database, directories, max_agents=settings.max_agents, progress=show
            )
        for note in notes:
            err.print(f"note: {note}", style="yellow", soft_wrap=True)
        report("Imported", counts)

    with_database(work, writes=True)


@exporting.command("jsonl")
def export_jsonl_command(
    directory: Directory,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an export that is there.")] = False,
) -> None:
    """Write the whole society without loss, one file a kind."""

    async def work(database: Database, _: Settings) -> None:
        with bars() as show:
            counts = await export_jsonl(database, directory, overwrite=overwrite, progress=show)
        report(f"Exported to {directory}:", counts)

    with_database(work)


@app.command()
def embed(
    others: Annotated[bool, typer.Option("--others", help="Replace embeddings of another dimension as well.")] = False,
) -> None:
    """Compute the embeddings of memories that have none; interrupted, it goes on when it is started again."""
    with told_plainly():
        if load_settings().embeddings is Embeddings.NONE:
            raise SettingsError("ECS_EMBEDDINGS: is none; set it to local, so that there is a model to compute with")

    async def work(database: Database, _: Settings) -> None:
        at_once = min(MOST_MODELS, os.cpu_count() or 1)
        model = LocalModel(at_once)
        try:
            with bars() as show:
                filled, failed = await fill_embeddings(database, model, others=others, at_once=at_once, progress=show)
        finally:
            model.close()
        if failed:
            err.print(f"note: {failed:,} memories could not be embedded", style="yellow")
        report("Computed", {"embeddings": filled})

    # Nothing that servers keep depends on embeddings, so that none has to forget anything.
    with_database(work)


@app.command()
def key(
    name: Annotated[str, typer.Argument(help="Whose key it is.")],
    scope: Annotated[ScopeName, typer.Option(help="What it allows; each includes those before it.")] = ScopeName.READ,
    until: Annotated[str | None, typer.Option(help="Its last day, such as 2027-12-31.")] = None,
    json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Make an API key: the key for the client, and the line by which the server knows it."""
    made = make_key()
    try:
        line = write_line(name, SCOPES[scope.value], made, until)
    except ValueError as error:
        fail(f"{error}.")
        raise typer.Exit(1) from None
    if json:
        typer.echo(orjson.dumps({"key": made, "line": line}).decode())
    else:
        typer.echo(f"Key, for {name} alone and shown only now:\n  {made}")
        typer.echo(f"Line for the file of ECS_API_KEYS_FILE, or for ECS_API_KEYS:\n  {line}")


@app.command()
def schema() -> None:
    """Print the GraphQL schema."""
    typer.echo(print_schema(), nl=False)


@app.command()
def top(
    url: Annotated[str | None, typer.Option(help="Where the API or ECS_METRICS_PORT is; as set by default.")] = None,
    seconds: Annotated[float, typer.Option(min=0.1, help="How long each look takes.")] = 2.0,
    once: Annotated[bool, typer.Option("--once", help="Look once and end.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Look once, as JSON.")] = False,
    key: Annotated[str | None, typer.Option(envvar="METRICS_KEY", help="A key of scope admin.")] = None,
) -> None:
    """Show what a running server does: rates, latencies, cache, connections, memory."""
    with told_plainly():
        if not (once or json):
            watch(url or metrics_url(load_settings()), key, seconds)
            return
        report = look_once(url or metrics_url(load_settings()), key, seconds)
    if json:
        typer.echo(orjson.dumps(as_json(report), option=orjson.OPT_INDENT_2).decode())
    else:
        out.print(draw(report))


def metrics_url(settings: Settings) -> str:
    """Says where the settings put /metrics."""
    host, port = (
        (settings.metrics_host, settings.metrics_port) if settings.metrics_port else (settings.host, settings.port)
    )
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


@app.command()
def doctor(
    json: Annotated[bool, typer.Option("--json", help="As JSON, with the addresses of everything that runs.")] = False,
) -> None:
    """Look at versions, connections, migrations and indexes, and say what is missing."""
    with opened() as found:
        diagnosis = asyncio.run(diagnose(found))
    if json:
        typer.echo(orjson.dumps(diagnosis.as_json(), option=orjson.OPT_INDENT_2).decode())
    else:
        out.print(diagnosis.as_table())
    if not diagnosis.ok:
        raise typer.Exit(1)
