"""How answers leave: uvicorn writes their heads and bodies apart, and each write is a call of the system and a wake."""

import asyncio
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class Pairing:
    """A transport that holds a first piece back until the next comes, for as long as this turn of the event loop."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self.plain = transport
        # Asked for each answer.
        self.is_closing = transport.is_closing
        self._loop = loop
        self._held = b""

    def write(self, piece: bytes) -> None:
        if held := self._held:
            self._held = b""
            self.plain.writelines((held, piece))
        else:
            self._held = piece
            self._loop.call_soon(self._let_go)

    def _let_go(self) -> None:
        if (held := self._held) and not self.plain.is_closing():
            self.plain.write(held)
        self._held = b""

    def close(self) -> None:
        self._let_go()
        self.plain.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.plain, name)


class Protocol(HttpToolsProtocol):
    """HTTP as uvicorn speaks it, with head and body in one write."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.transport = cast("asyncio.Transport", Pairing(transport, self.loop))

    def handle_websocket_upgrade(self) -> None:
        self.transport = cast("Pairing", self.transport).plain
        super().handle_websocket_upgrade()
