"""`ecs serve`: from nothing to an API that answers, and back to nothing."""

import asyncio
import gc
import multiprocessing
import os
import signal
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager, contextmanager
from ipaddress import ip_address
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import FrameType
from typing import Any

import uvicorn
from rich.panel import Panel
from rich.table import Table
from starlette.applications import Starlette
from uvicorn.supervisors import Multiprocess

from graph.database import Database
from graph.embedded.servers import AlreadyRunning, find_running
from graph.ingest.les_miserables import demo_society
from graph.migrations import migrate
from server.app import create_app
from server.authentication import make_access_control, read_proxies
from server.display import err, out, steps
from server.endpoints import Endpoints, Progress, endpoints
from server.heartbeat import is_alive
from server.logs import set_up_logs
from server.protocol import Protocol
from server.scrape import served_apart, shared_directory
from server.settings import Settings, load_documents, load_settings, reveal, unknown_settings
from server.worker import connect_database

Lifespan = Callable[[Starlette], AbstractAsyncContextManager[Any]]

GRACE = 5
# Of that, for what is still to be said to those whom the database does not answer.
FAREWELL = 1
# Objects of the youngest generation, then collections of it and of the next.
COLLECTED_AFTER = (20_000, 20, 50)
PATIENCE = 30.0
# Seconds after which a worker that does not answer its parent is replaced; whoever asked it waits as long.
HUNG_AFTER = 12
IS_EMPTY = "RETURN NOT EXISTS { (n) WHERE NOT n:Migration } AS empty"


class ServeError(Exception):
    """What keeps the API from starting, in a line."""


def serve(settings: Settings) -> None:
    """Starts what is missing, serves until told to stop, and stops what was started.

    Raises ServeError, EmbeddedError or SocietyError when it cannot.
    """
    for name in unknown_settings():
        err.print(f"warning: {name} is no setting of this program; see README.md", style="yellow")
    load_documents(settings.trusted_documents)
    make_access_control(settings)
    read_proxies(settings)
    if not settings.database_url and (running := find_running(settings.data_dir)):
        raise AlreadyRunning(settings.data_dir, running)
    with ended_by_signals(), listening(settings) as listener, ExitStack() as stack:
        with steps() as say:
            found = stack.enter_context(endpoints(settings, say, train_aot=True, join=False))
            asyncio.run(prepare(found, say))
            say("Starting the API")
        os.environ["ECS_METRICS_DIR"] = str(directory := stack.enter_context(shared_directory()))
        if settings.metrics_port:
            stack.enter_context(serving_metrics(directory, settings.metrics_host, settings.metrics_port))
        run(found, listener)


@contextmanager
def serving_metrics(directory: Path, host: str, port: int) -> Iterator[None]:
    """Answers Prometheus on a port of its own. Raises ServeError if that is taken."""
    with ExitStack() as stack:
        try:
            stack.enter_context(served_apart(directory, host, port))
        except OSError as error:
            raise ServeError(
                f"Cannot listen on {host}:{port}: {error.strerror}. Set ECS_METRICS_PORT or ECS_METRICS_HOST to others."
            ) from None
        yield


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Lets the first signal that ends a process unwind what was started; further ones cannot cut that short."""
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        for each in signals:
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = {each: signal.signal(each, interrupt) for each in signals}
    try:
        yield
    except KeyboardInterrupt:
        pass
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


@contextmanager
def listening(settings: Settings) -> Iterator[socket.socket]:
    """Takes the address before anything is started, so that a taken one is known at once."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    with listener:
        try:
            listener.bind((settings.host, settings.port))
        except OSError as error:
            raise ServeError(
                f"Cannot listen on {settings.host}:{settings.port}: {error.strerror}. "
                "Stop what uses the port, or set ECS_PORT (or ECS_HOST) to another."
            ) from None
        check_exposure(settings, listener.getsockname()[0])
        yield listener


def check_exposure(settings: Settings, address: str) -> None:
    """Raises ServeError where others could reach the API and nobody would ask who they are."""
    bound = ip_address(address.partition("%")[0])
    bound = getattr(bound, "ipv4_mapped", None) or bound
    if not bound.is_loopback and not settings.authenticates:
        raise ServeError(
            f"ECS_HOST: {settings.host or address} can be reached from other machines, and callers need not show who "
            "they are. Set ECS_API_KEYS (`ecs key` makes one), ECS_API_KEYS_FILE or ECS_JWT_…, or listen on 127.0.0.1."
        )


async def prepare(found: Endpoints, say: Progress) -> None:
    """Brings the graph up to date, and fills an empty embedded one with the demonstration."""
    async with connect_database(found.settings) as database:
        say("Waiting for the database")
        await database.wait_until_ready(PATIENCE)
        say("Migrating")
        await migrate(database, say)
        if found.embedded and found.settings.demo and await is_empty(database):
            say("Filling the empty database with a demonstration society (ECS_DEMO=0 leaves it empty)")
            await demo_society(database, max_agents=found.settings.max_agents)


async def is_empty(database: Database) -> bool:
    ((empty,),) = await database.read("is empty", IS_EMPTY)
    return empty


def run(found: Endpoints, listener: socket.socket) -> None:
    """Runs the API's workers until a signal ends them."""
    settings = found.settings
    export(settings)
    set_up_logs(settings.log_format)
    config = uvicorn.Config(
        "server.serve:create_worker",
        factory=True,
        http=Protocol,
        workers=settings.processes,
        # Below info the messages of sockets are logged, and the credentials in them.
        log_level={"debug": "info", "info": "warning"}.get(settings.log_level, settings.log_level),
        access_log=False,
        # What uvicorn says goes where everything else goes.
        log_config=None,
        timeout_graceful_shutdown=GRACE,
        # A worker that gets little of the CPU answers late, above all while it starts, and would be killed for it.
        timeout_worker_healthcheck=HUNG_AFTER,
        server_header=False,
        # Whose word on the client's address is taken, ECS_TRUSTED_PROXIES says.
        proxy_headers=False,
        ws_max_size=settings.max_body,
        # Compression halves how many events a worker sends.
        ws_per_message_deflate=False,
    )
    threading.Thread(target=announce, args=(found,), daemon=True).start()
    if found.embedded:
        found.embedded.supervise()
    if settings.processes > 1:
        Multiprocess(config, [listener]).run()
    else:
        uvicorn.Server(config).run([listener])


def export(settings: Settings) -> None:
    """Hands the settings on to the workers, in the environment, where no list of processes shows them."""
    url, user, password = settings.database_login()
    os.environ |= {
        "ECS_DATABASE_URL": url,
        "ECS_DATABASE_USER": user,
        "ECS_DATABASE_PASSWORD": password,
        "ECS_HOST": settings.host,
        "ECS_PORT": str(settings.port),
    }
    if settings.redis_url:
        os.environ["ECS_REDIS_URL"] = reveal(settings.redis_url)


def create_worker() -> Starlette:
    """Makes the application; a worker ends when the process that started it is gone."""
    if parent := multiprocessing.parent_process():
        threading.Thread(target=follow, args=(parent,), daemon=True).start()
    settings = load_settings()
    set_up_logs(settings.log_format)
    gc.set_threshold(*COLLECTED_AFTER)
    app = create_app(settings)
    app.router.lifespan_context = until_signalled(app.router.lifespan_context)
    return app


def until_signalled(lifespan: Lifespan) -> Lifespan:
    """Lets the signal that stops the server end subscriptions as well: uvicorn waits for them otherwise."""

    @asynccontextmanager
    async def wrapped(app: Starlette) -> AsyncIterator[None]:
        async with lifespan(app):
            # What is there by now stays: going through it again and again would hold up everybody.
            gc.freeze()
            loop = asyncio.get_running_loop()
            for each in (signal.SIGINT, signal.SIGTERM):
                before = signal.getsignal(each)

                def stop(number: int, frame: FrameType | None, before: Any = before) -> None:
                    loop.call_soon_threadsafe(app.state.worker.events.dismiss)
                    # Who waits for longer than that is told so, instead of being cut off.
                    loop.call_soon_threadsafe(loop.call_later, GRACE - FAREWELL, app.state.worker.database.breaker.open)
                    before(number, frame)

                signal.signal(each, stop)
            yield

    return wrapped


def follow(parent: BaseProcess) -> None:
    """Waits for the parent's end, also when that came before this."""
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)


def announce(found: Endpoints) -> None:
    """Waits until the API answers, then says where everything is."""
    settings = found.settings
    url = f"http://{f'[{settings.host}]' if ':' in settings.host else settings.host}:{settings.port}"
    if not wait_for(lambda: is_alive(settings.host, settings.port), PATIENCE):
        return
    if found.embedded:
        found.embedded.publish(api_url=url)
    table = Table.grid(padding=(0, 2))
    table.add_row("GraphQL and GraphiQL", f"{url}/graphql")
    table.add_row("Health", f"{url}/health")
    table.add_row("Neo4j", settings.database_login()[0])
    if found.running:
        table.add_row("Valkey", found.running.redis_url or "none")
        table.add_row("Data", str(settings.data_dir))
        table.add_row("Password of both", str(found.running.password_file))
    out.print(Panel(table, title="Ready", subtitle="Ctrl-C stops it", expand=False))


def wait_for(condition: Callable[[], bool], seconds: float) -> bool:
    give_up = time.monotonic() + seconds
    while time.monotonic() < give_up:
        if condition():
            return True
        time.sleep(0.05)
    return False
