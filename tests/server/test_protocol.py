"""What is written to a connection, and when: by uvicorn's own code, on a transport that notes it."""

import asyncio
from typing import Any

import pytest
from uvicorn import Config
from uvicorn.server import ServerState

from server.protocol import Protocol

REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
UPGRADE = REQUEST[:-2] + (
    b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


class Noting(asyncio.Transport):
    """A connection that notes what is written, each write apart."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.closed = False

    def write(self, data: Any) -> None:
        self.writes.append(bytes(data))

    def writelines(self, list_of_data: Any) -> None:
        self.write(b"".join(list_of_data))

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def set_protocol(self, protocol: Any) -> None:
        self.protocol = protocol


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": "hello"})
        await receive()
        return
    head = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]}
    match scope["path"]:
        case "/":
            await send(head)
            await send({"type": "http.response.body", "body": b"pong"})
        case "/slow":
            await send(head)
            await asyncio.sleep(0.05)
            await send({"type": "http.response.body", "body": b"pong"})
        case _:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            for each in (b"one", b"two", b"three"):
                await send({"type": "http.response.body", "body": each, "more_body": True})
            await send({"type": "http.response.body"})


@pytest.fixture
async def connection() -> tuple[Protocol, Noting]:
    config = Config(app, lifespan="off", log_level="warning")
    config.load()
    protocol, transport = Protocol(config=config, server_state=ServerState(), app_state={}), Noting()
    protocol.connection_made(transport)
    return protocol, transport


async def test_a_head_and_its_body_are_one_write(connection: tuple[Protocol, Noting]):
    protocol, transport = connection
    for count in (1, 2):
        protocol.data_received(REQUEST)
        await asyncio.sleep(0.01)
        assert len(transport.writes) == count
        assert transport.writes[-1].startswith(b"HTTP/1.1 200 OK\r\n")
        assert transport.writes[-1].endswith(b"\r\n\r\npong")


async def test_a_head_does_not_wait_for_a_slow_body(connection: tuple[Protocol, Noting]):
    protocol, transport = connection
    protocol.data_received(REQUEST.replace(b"/ ", b"/slow "))
    await asyncio.sleep(0.01)
    assert [each[-4:] for each in transport.writes] == [b"\r\n\r\n"]
    await asyncio.sleep(0.1)
    assert transport.writes[1:] == [b"pong"]


async def test_what_is_sent_bit_by_bit_arrives_whole_and_in_order(connection: tuple[Protocol, Noting]):
    protocol, transport = connection
    protocol.data_received(REQUEST.replace(b"/ ", b"/bits "))
    await asyncio.sleep(0.01)
    body = b"".join(transport.writes).partition(b"\r\n\r\n")[2]
    assert body == b"3\r\none\r\n3\r\ntwo\r\n5\r\nthree\r\n0\r\n\r\n"


async def test_what_is_no_request_is_told_before_the_connection_closes(connection: tuple[Protocol, Noting]):
    protocol, transport = connection
    protocol.data_received(b"nonsense\r\n\r\n")
    assert transport.closed
    assert b"".join(transport.writes).startswith(b"HTTP/1.1 400 Bad Request\r\n")


async def test_nothing_is_written_to_a_connection_that_is_gone(connection: tuple[Protocol, Noting]):
    protocol, transport = connection
    protocol.data_received(REQUEST.replace(b"/ ", b"/slow "))
    await asyncio.sleep(0)
    transport.closed = True
    protocol.connection_lost(None)
    await asyncio.sleep(0.1)
    assert transport.writes == []


async def test_a_socket_writes_each_message_by_itself(connection: tuple[Protocol, Noting]):
    protocol, transport = connection
    protocol.data_received(UPGRADE)
    await asyncio.sleep(0.01)
    assert transport.protocol.transport is transport
    assert [each[:12] for each in transport.writes] == [b"HTTP/1.1 101", b"\x81\x05hello"]
    transport.protocol.connection_lost(None)
    await asyncio.sleep(0.01)
