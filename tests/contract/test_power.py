"""What every BMC driver keeps to: the simulator, and Redfish over TLS against the lab's BMC on loopback."""

import asyncio
import contextlib
import ipaddress
import json
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import pytest
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from shuishan.base.power.port import Bmc, PowerState
from shuishan.base.power.redfish import RedfishBmc
from shuishan.base.power.sim import SimBmc
from shuishan.lab.bmc.serve import USER, RedfishApp
from shuishan.lab.bmc.state import BmcState
from shuishan.model.errors import EngineRefused, Silent
from shuishan.model.signal import Reading
from shuishan.sense.bmc import parse_events, parse_readings

PASSWORD = "only for this test"
App = Callable[
    [
        MutableMapping[str, Any],
        Callable[[], Awaitable[MutableMapping[str, Any]]],
        Callable[[MutableMapping[str, Any]], Awaitable[None]],
    ],
    Awaitable[None],
]


class Machine(Protocol):
    """The other side of a BMC, as a test moves it."""

    def fan(self, rpm: float) -> None: ...
    def event(self, message: str) -> None: ...
    def hang(self) -> None: ...
    def confuse(self) -> None: ...


class PowerContract:
    """Each driver's class gives `bmc` and `machine`."""

    @pytest.fixture
    def bmc(self) -> Bmc:
        raise NotImplementedError

    @pytest.fixture
    def machine(self) -> Machine:
        raise NotImplementedError

    @pytest.mark.parametrize("call", ["readings", "events", "power_off"])
    async def test_hanging_bmc_is_silent(self, bmc: Bmc, machine: Machine, call: str) -> None:
        machine.hang()
        with pytest.raises(Silent):
            await _call(bmc, call)

    @pytest.mark.parametrize("call", ["readings", "events", "power_state", "power_off", "power_on"])
    async def test_confused_bmc_is_refused(self, bmc: Bmc, machine: Machine, call: str) -> None:
        machine.confuse()
        with pytest.raises(EngineRefused):
            await _call(bmc, call)

    async def test_readings_follow_the_machine(self, bmc: Bmc, machine: Machine) -> None:
        assert await _fan(bmc) == (7500.0, "OK")
        machine.fan(450.0)
        assert await _fan(bmc) == (450.0, "Critical")

    async def test_every_resource_is_json_of_its_own_path(self, bmc: Bmc) -> None:
        resources = (await bmc.readings()).resources
        assert resources
        for path, text in resources.items():
            assert path.startswith("/redfish/v1/")
            assert isinstance(json.loads(text), dict)

    async def test_events_are_those_of_the_log(self, bmc: Bmc, machine: Machine) -> None:
        machine.event("Chassis intrusion")
        document = await bmc.events()
        texts = [event.line.text for event in parse_events(document, host="h1", at_s=1.0, origin="o")]
        assert [text for text in texts if "Chassis intrusion" in text]

    async def test_power_goes_off_and_on_and_repeating_is_harmless(self, bmc: Bmc) -> None:
        assert await bmc.power_state() is PowerState.ON
        for _ in range(2):
            await bmc.power_off(timeout_s=5)
            assert await bmc.power_state() is PowerState.OFF
        for _ in range(2):
            await bmc.power_on(timeout_s=5)
            assert await bmc.power_state() is PowerState.ON


class TestSim(PowerContract):
    @pytest.fixture
    def sim(self) -> SimBmc:
        return SimBmc("h1")

    @pytest.fixture
    def bmc(self, sim: SimBmc) -> Bmc:
        return sim

    @pytest.fixture
    def machine(self, sim: SimBmc) -> Machine:
        return SimMachine(sim)


@dataclass(frozen=True, slots=True)
class SimMachine:
    sim: SimBmc

    def fan(self, rpm: float) -> None:
        self.sim.set_sensor("FAN1", rpm, "OK" if rpm > 600 else "Critical")

    def event(self, message: str) -> None:
        self.sim.log_event(message, created="2026-01-01T00:00:00+00:00")

    def hang(self) -> None:
        self.sim.silent = True

    def confuse(self) -> None:
        self.sim.refusing = True


class TestRedfish(PowerContract):
    @pytest.fixture
    def state(self) -> BmcState:
        return BmcState("h1")

    @pytest.fixture
    def machine(self, state: BmcState) -> Machine:
        return LabMachine(state)

    @pytest.fixture
    async def url(self, state: BmcState, pki: Path) -> AsyncIterator[str]:
        app = RedfishApp({"127.0.0.1": state}, Switch(), PASSWORD)
        async with _served(app, pki) as url:
            yield url

    @pytest.fixture
    async def bmc(self, url: str, pki: Path) -> AsyncIterator[Bmc]:
        made = _client(url, pki)
        yield made
        await made.close()

    async def test_wrong_password_is_refused_and_not_repeated_in_the_message(
        self, url: str, pki: Path
    ) -> None:
        bmc = _client(url, pki, password="guess")
        with pytest.raises(EngineRefused, match="user name or password") as caught:
            await bmc.readings()
        assert "guess" not in str(caught.value)
        await bmc.close()

    async def test_certificate_of_another_authority_is_not_believed(self, url: str) -> None:
        bmc = RedfishBmc(url, user=USER, password=PASSWORD, ca_file=None, timeout_s=2)
        with pytest.raises(Silent, match=r"(?i)certificate"):
            await bmc.readings()
        await bmc.close()

    async def test_a_call_after_recovery_works(self, bmc: Bmc, state: BmcState) -> None:
        await bmc.readings()
        state.error = True
        with pytest.raises(EngineRefused):
            await bmc.readings()
        state.error = False
        assert (await bmc.readings()).resources


class TestBadFirmware:
    """A BMC that speaks, but not Redfish."""

    @pytest.mark.parametrize(
        ("body", "status", "reason"),
        [
            (b"<html>", 200, "not JSON"),
            (b"[1, 2]", 200, "not a Redfish resource"),
            (b'{"Members": 5}', 200, "not a Redfish collection"),
            (b'{"Members": []}', 200, "lists no system"),
            (b'{"Members": [{"@odata.id": "https://elsewhere/redfish"}]}', 200, "lists no system"),
            (b'{"Members": [{"@odata.id": "//elsewhere/redfish"}]}', 200, "lists no system"),
            (b"{}", 500, "status 500"),
            (b"{" * 20_000, 200, "not JSON"),
            (b"x" * (9 * 1024 * 1024), 200, "longer than 8 MiB"),
        ],
    )
    async def test_is_refused(self, pki: Path, body: bytes, status: int, reason: str) -> None:
        async with _served(_always(status, body), pki) as url:
            bmc = _client(url, pki)
            with pytest.raises(EngineRefused, match=reason):
                await bmc.readings()
            await bmc.close()

    async def test_closed_port_is_silent(self, pki: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        bmc = _client(f"https://127.0.0.1:{port}", pki)
        with pytest.raises(Silent, match="no answer"):
            await bmc.power_state()
        await bmc.close()

    async def test_switch_that_does_nothing_is_silent_at_the_deadline(self, pki: Path) -> None:
        path = "/redfish/v1/Systems"
        body = json.dumps(
            {
                "Members": [{"@odata.id": path}],
                "PowerState": "On",
                "Actions": {"#ComputerSystem.Reset": {"target": path}},
            }
        ).encode()
        async with _served(_always(200, body), pki) as url:
            bmc = _client(url, pki)
            with pytest.raises(Silent, match=r"did not report power off within 0\.3 s"):
                await bmc.power_off(timeout_s=0.3)
            await bmc.close()


@dataclass(frozen=True, slots=True)
class LabMachine:
    state: BmcState

    def fan(self, rpm: float) -> None:
        self.state.set_value("FAN1", rpm, 1_700_000_000)

    def event(self, message: str) -> None:
        self.state.add_entry(message, "Warning", 1_700_000_000)

    def hang(self) -> None:
        self.state.mute = True

    def confuse(self) -> None:
        self.state.error = True


class Switch:
    """The power of one machine, switched at once."""

    def __init__(self) -> None:
        self._on = True

    def is_on(self, host: str) -> bool:
        del host
        return self._on

    async def on(self, host: str) -> None:
        del host
        self._on = True

    async def off(self, host: str) -> None:
        del host
        self._on = False


async def _call(bmc: Bmc, call: str) -> None:
    match call:
        case "readings":
            await bmc.readings()
        case "events":
            await bmc.events()
        case "power_state":
            await bmc.power_state()
        case "power_off":
            await bmc.power_off(timeout_s=5)
        case _:
            await bmc.power_on(timeout_s=5)


async def _fan(bmc: Bmc) -> tuple[float | str | None, float | str | None]:
    signals = parse_readings(await bmc.readings(), host="h1", at_s=1.0, origin="o")
    fan = {s.fact: s.value for s in signals if isinstance(s, Reading) and s.component == "FAN1"}
    return fan["bmc.sensor.fan_rpm"], fan["bmc.sensor.health"]


def _client(url: str, pki: Path, password: str = PASSWORD) -> RedfishBmc:
    return RedfishBmc(url, user=USER, password=password, ca_file=pki / "cert.pem", timeout_s=2.0)


def _always(status: int, body: bytes) -> App:
    async def app(
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
        send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
    ) -> None:
        del scope, receive
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": body})

    return app


@contextlib.asynccontextmanager
async def _served(app: Any, pki: Path) -> AsyncGenerator[str, None]:
    """`app` over TLS on a free port of loopback."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        app,
        ssl_certfile=str(pki / "cert.pem"),
        ssl_keyfile=str(pki / "key.pem"),
        lifespan="off",
        log_level="error",
        timeout_graceful_shutdown=0,
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield f"https://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with cert.pem (its own authority) and key.pem for 127.0.0.1."""
    folder = tmp_path_factory.mktemp("pki")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bmc")])
    now = datetime.now(UTC)
    cert = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(cert.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return folder
