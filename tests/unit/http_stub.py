"""A tiny HTTP server that answers as a test says, on a free port of this machine."""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from shuishan.model.clock import SystemClock, until


@dataclass(frozen=True, slots=True)
class Reply:
    """hang: the connection is held open and nothing is said."""

    status: int = 200
    body: object = None
    hang: bool = False


Answer = Callable[[str, object], Reply]  # request line without version, JSON body or None


@dataclass
class Stub:
    url: str = ""
    asked: list[str] = field(default_factory=list[str])
    answer: Answer = lambda _request, _body: Reply()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                length = next(
                    (
                        int(line.split(":")[1])
                        for line in head.split("\r\n")
                        if line.lower().startswith("content-length")
                    ),
                    0,
                )
                sent = await reader.readexactly(length)
                request = head.split(" HTTP/")[0]
                self.asked.append(request)
                reply = self.answer(request, json.loads(sent) if sent else None)
                if reply.hang:
                    await reader.read()  # until the client gives up
                    break
                body = json.dumps(reply.body).encode()
                writer.write(
                    f"HTTP/1.1 {reply.status} x\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
                )
                await writer.drain()
        writer.close()


@asynccontextmanager
async def http_stub() -> AsyncGenerator[Stub, None]:
    stub = Stub()
    server = await asyncio.start_server(stub.serve, "127.0.0.1", 0)
    stub.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield stub
    finally:
        server.close()


async def eventually(true: Callable[[], bool]) -> None:
    """Wait for something that must come; how long it takes on a busy machine is no finding."""
    await until(true, deadline_s=30, clock=SystemClock(), why="it comes", poll_s=0.01)


async def a_closed_port() -> str:
    """A URL at which nobody listens."""
    server = await asyncio.start_server(_nobody, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    return f"http://127.0.0.1:{port}"


async def _nobody(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()
