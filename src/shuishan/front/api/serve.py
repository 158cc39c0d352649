"""The API on a port, with TLS, until it is told to stop."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Generator
from pathlib import Path

import uvicorn

from shuishan.front.api.app import make_app
from shuishan.front.api.door import HouseDoor
from shuishan.model.errors import BadInput, Conflict

REQUESTS_AT_ONCE = 256
LEAVE_S = 5  # how long open requests (streams) are given when the server stops


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leave signals to the process: it has more to close than this door, and cancels `serve`."""
        yield


async def serve(house: HouseDoor, host: str, port: int, cert_file: Path, key_file: Path) -> None:
    """Serve until cancelled; then open requests get LEAVE_S seconds.

    Raises BadInput when certificate or key cannot be used, Conflict when the address cannot be bound.
    """
    config = uvicorn.Config(
        make_app(house),
        ssl_certfile=str(cert_file),
        ssl_keyfile=str(key_file),
        limit_concurrency=REQUESTS_AT_ONCE,
        timeout_graceful_shutdown=LEAVE_S,
        timeout_keep_alive=15,
        h11_max_incomplete_event_size=64 * 1024,
        server_header=False,
        access_log=False,
        log_config=None,
        lifespan="off",
        ws="none",
    )
    try:
        config.load()
    except (OSError, ssl.SSLError) as cause:
        raise BadInput(
            f"cannot use certificate {cert_file} with key {key_file}: {cause}", subject=f"file/{cert_file}"
        ) from cause
    with _listening(host, port) as listener:
        server = _Server(config)
        running = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            await asyncio.shield(running)
        except asyncio.CancelledError:
            server.should_exit = True
            await running
            raise


def _listening(host: str, port: int) -> socket.socket:
    # Bound here because uvicorn would end the whole process when it cannot.
    try:
        return socket.create_server((host, port), backlog=512)
    except OSError as cause:
        raise Conflict(
            f"cannot listen on {host}:{port}: {cause.strerror}; does a server run already?",
            subject=f"address/{host}:{port}",
        ) from cause
