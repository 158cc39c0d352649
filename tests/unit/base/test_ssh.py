"""SSH against a real server in this process: refusals first, then what works."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import asyncssh
import pytest

from shuishan.base import ssh as ssh_module
from shuishan.base.ssh import SshHost
from shuishan.model.errors import EngineRefused, Silent


@dataclass(slots=True)
class Server:
    """A host that knows a few commands. connections: how often somebody logged in."""

    port: int
    acceptor: asyncssh.SSHAcceptor
    connections: list[asyncssh.SSHServerConnection] = field(
        default_factory=list[asyncssh.SSHServerConnection]
    )
    full: bool = False  # allows no more sessions
    release: asyncio.Event = field(default_factory=asyncio.Event)

    async def stop(self) -> None:
        self.acceptor.close()
        self.drop()
        await self.acceptor.wait_closed()

    def drop(self) -> None:
        for connection in self.connections:
            connection.abort()


@dataclass(frozen=True, slots=True)
class Keys:
    folder: Path
    host: asyncssh.SSHKey
    client: asyncssh.SSHKey

    @property
    def key_file(self) -> Path:
        return self.folder / "key"

    def known_hosts(self, port: int, host: asyncssh.SSHKey | None = None) -> Path:
        public = (host or self.host).export_public_key().decode().strip()
        path = self.folder / "known_hosts"
        path.write_text(f"[127.0.0.1]:{port} {public}\n", "utf-8")
        return path


def new_key() -> asyncssh.SSHKey:
    # asyncssh leaves this function's keyword arguments untyped; we pass none.
    return asyncssh.generate_private_key("ssh-ed25519")  # pyright: ignore[reportUnknownMemberType]


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    made = Keys(
        tmp_path_factory.mktemp("ssh"),
        new_key(),
        new_key(),
    )
    made.key_file.write_bytes(made.client.export_private_key())
    return made


async def _serve(process: asyncssh.SSHServerProcess[bytes], server: Server) -> None:
    command = (process.command or "").encode()
    out, err = process.stdout, process.stderr
    match command.split():
        case [b"echo", *words]:
            out.write(b" ".join(words) + b"\n")
            process.exit(0)
        case [b"fail", status]:
            out.write(b"half\n")
            err.write(b"no such thing\n")
            process.exit(int(status))
        case [b"raw"]:
            out.write(b"ok \xff\n")
            process.exit(0)
        case [b"flood", size]:
            out.write(b"x" * int(size))
            process.exit(0)
        case [b"lines", *words]:
            for word in words:
                out.write(word + b"\n")
            await server.release.wait()
            process.exit(0)
        case _:
            await server.release.wait()
            process.exit(0)


@pytest.fixture
async def server(keys: Keys) -> AsyncIterator[Server]:
    held: list[Server] = []

    async def serve(process: asyncssh.SSHServerProcess[bytes]) -> None:
        await _serve(process, held[0])

    class Door(asyncssh.SSHServer):
        def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
            held[0].connections.append(conn)

        def session_requested(self) -> Literal[False] | asyncssh.SSHServerProcess[bytes]:
            if held[0].full:
                return False
            return asyncssh.SSHServerProcess(serve, sftp_factory=None, sftp_version=3, allow_scp=False)

    acceptor = await asyncssh.create_server(
        Door,
        "127.0.0.1",
        0,
        server_host_keys=[keys.host],
        authorized_client_keys=asyncssh.import_authorized_keys(keys.client.export_public_key().decode()),
        encoding=None,
    )
    held.append(Server(acceptor.get_port(), acceptor))
    yield held[0]
    held[0].release.set()
    await held[0].stop()


@pytest.fixture
async def host(keys: Keys, server: Server) -> AsyncIterator[SshHost]:
    made = _host(keys, server.port)
    yield made
    await made.close()


def _host(keys: Keys, port: int, *, known_hosts: Path | None = None, key_file: Path | None = None) -> SshHost:
    return SshHost(
        "127.0.0.1",
        port=port,
        key_file=key_file or keys.key_file,
        known_hosts=known_hosts or keys.known_hosts(port),
        connect_timeout_s=5.0,
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def read_all(host: SshHost, command: str) -> list[str]:
    return [line async for line in host.stream(command)]


async def test_refused_port_is_silent_and_says_why(keys: Keys) -> None:
    with pytest.raises(Silent, match=r"(?i)no SSH connection to 127\.0\.0\.1 port \d+: .*(refused|connect)"):
        await _host(keys, free_port()).run("echo hi", timeout_s=5)


async def test_port_that_accepts_and_says_nothing_is_silent(keys: Keys) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        host = _host(keys, int(mute.getsockname()[1]))
        with pytest.raises(Silent, match=r"within 0\.2 s"):
            await host.run("echo hi", timeout_s=0.2)


async def test_unknown_host_key_is_refused(keys: Keys, server: Server) -> None:
    other = new_key()
    host = _host(keys, server.port, known_hosts=keys.known_hosts(server.port, other))
    with pytest.raises(EngineRefused, match="host key"):
        await host.run("echo hi", timeout_s=5)


async def test_empty_known_hosts_trusts_nobody(keys: Keys, server: Server, tmp_path: Path) -> None:
    empty = tmp_path / "known_hosts"
    empty.touch()
    with pytest.raises(EngineRefused, match="host key"):
        await _host(keys, server.port, known_hosts=empty).run("echo hi", timeout_s=5)


async def test_unknown_client_key_is_refused(keys: Keys, server: Server, tmp_path: Path) -> None:
    stranger = tmp_path / "key"
    stranger.write_bytes(new_key().export_private_key())
    with pytest.raises(EngineRefused, match="refuses the key"):
        await _host(keys, server.port, key_file=stranger).run("echo hi", timeout_s=5)


async def test_command_that_does_not_end_is_silent_and_the_connection_lives_on(
    host: SshHost, server: Server
) -> None:
    await host.run("echo hi", timeout_s=5)
    with pytest.raises(Silent, match=r"gave no result within 0\.2 s for `wait`"):
        await host.run("wait", timeout_s=0.2)
    assert (await host.run("echo hi", timeout_s=5)).stdout == "hi\n"
    assert len(server.connections) == 1


async def test_endless_output_is_refused(host: SshHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ssh_module, "OUTPUT_LIMIT_BYTES", 100_000)
    with pytest.raises(EngineRefused, match="wrote more than"):
        await host.run("flood 3000000", timeout_s=5)


async def test_exit_status_is_told_not_judged(host: SshHost) -> None:
    done = await host.run("fail 64", timeout_s=5)
    assert (done.returncode, done.stdout, done.stderr) == (64, "half\n", "no such thing\n")


async def test_undecodable_output_is_marked(host: SshHost) -> None:
    assert (await host.run("raw", timeout_s=5)).stdout == "ok \ufffd\n"


async def test_one_connection_serves_many_commands(host: SshHost, server: Server) -> None:
    done = await asyncio.gather(*(host.run(f"echo {n}", timeout_s=5) for n in range(5)))
    assert [d.stdout for d in done] == [f"{n}\n" for n in range(5)]
    assert len(server.connections) == 1


async def test_lost_connection_is_made_anew(host: SshHost, server: Server) -> None:
    await host.run("echo hi", timeout_s=5)
    server.drop()
    assert (await host.run("echo again", timeout_s=5)).stdout == "again\n"
    assert len(server.connections) == 2


async def test_server_that_allows_no_more_sessions_is_refused_and_others_go_on(
    host: SshHost, server: Server
) -> None:
    lines = host.stream("lines a b")
    assert await anext(lines) == "a"
    server.full = True
    with pytest.raises(EngineRefused, match="opens no session"):
        await host.run("echo hi", timeout_s=5)
    assert await anext(lines) == "b"
    assert len(server.connections) == 1
    await lines.aclose()


async def test_connection_lost_in_the_middle_is_silent(host: SshHost, server: Server) -> None:
    running = asyncio.create_task(host.run("wait", timeout_s=5))
    await _until(lambda: bool(server.connections))
    await asyncio.sleep(0.05)
    server.drop()
    with pytest.raises(Silent, match="lost"):
        await running


async def test_stream_ends_with_the_connection(host: SshHost, server: Server) -> None:
    lines = host.stream("lines a b")
    assert [await anext(lines), await anext(lines)] == ["a", "b"]
    server.drop()
    with pytest.raises(Silent, match="lost"):
        await anext(lines)


async def test_stream_of_a_failing_command_is_refused_with_its_words(host: SshHost) -> None:
    with pytest.raises(EngineRefused, match="status 3: no such thing"):
        await read_all(host, "fail 3")


async def test_stream_cuts_an_endless_line(host: SshHost) -> None:
    (line,) = [line async for line in host.stream("flood 3000000", line_limit_bytes=1000)]
    assert line == "x" * 1000


async def test_stream_that_is_left_closes_its_channel(host: SshHost) -> None:
    lines = host.stream("lines a")
    assert await anext(lines) == "a"
    await lines.aclose()
    assert (await host.run("echo hi", timeout_s=5)).stdout == "hi\n"


async def _until(done: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not done():  # noqa: ASYNC110 - the server has no event for it
            await asyncio.sleep(0.01)
