"""A BMC by Redfish (DMTF DSP0266) over TLS.

Only what nearly every BMC has is used: Systems, Chassis with Thermal and Power (or Sensors where the
older resources are gone), LogServices, ComputerSystem.Reset.
"""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Iterable, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any, Literal, cast

import httpx

from shuishan.base.power.port import BmcDocument, PowerState
from shuishan.model.errors import EngineRefused, Silent

ROOT = "/redfish/v1"
DOCUMENT_LIMIT_BYTES = 8 * 1024 * 1024
_MEMBERS_LIMIT = 256  # sensors, or pages of a log, read one by one
_LOG_PAGES_LIMIT = 32
_POWER_POLL_S = 0.5

_Json = dict[str, Any]


class RedfishBmc:
    """One BMC.

    url:       ``https://address[:port]``
    ca_file:   the certificate authority that signed its certificate; None: the system's own
    timeout_s: for one request, from connecting to the last byte
    """

    def __init__(
        self, url: str, *, user: str, password: str, ca_file: Path | None, timeout_s: float = 5.0
    ) -> None:
        self._url = url.rstrip("/")
        self._timeout_s = timeout_s
        self._client = httpx.AsyncClient(
            base_url=self._url,
            auth=(user, password),
            verify=ssl.create_default_context(cafile=str(ca_file) if ca_file else None),
            timeout=timeout_s,
            # A BMC is never behind a proxy that this process happens to have in its environment.
            trust_env=False,
            headers={"Accept": "application/json", "OData-Version": "4.0"},
        )
        # A BMC is a small computer, and many lose requests asked at once.
        self._turn = asyncio.Lock()
        # Paths are looked up once; a BMC that loses one (firmware update) is looked up again.
        self._system_path: str | None = None
        self._sensor_paths: tuple[str, ...] = ()
        self._log_paths: tuple[str, ...] = ()

    @property
    def origin(self) -> str:
        return self._url

    async def readings(self) -> BmcDocument:
        """See `Bmc.readings`."""
        if not self._sensor_paths:
            self._sensor_paths = tuple([path async for path in self._find_sensors()])
        return await self._fetch_all([await self._system(), *self._sensor_paths])

    async def events(self) -> BmcDocument:
        """See `Bmc.events`."""
        if not self._log_paths:
            self._log_paths = tuple([path async for path in self._find_logs()])
        resources: dict[str, str] = {}
        for log in self._log_paths:
            path: str | None = log
            for _ in range(_LOG_PAGES_LIMIT):
                if path is None:
                    break
                resources[path] = await self._get_known(path)
                path = _path(self._parsed(path, resources[path]).get("Members@odata.nextLink"))
        return BmcDocument(resources=resources)

    async def power_state(self) -> PowerState:
        """See `Bmc.power_state`."""
        return _power_state(await self._get_json(await self._system()))

    async def power_off(self, *, timeout_s: float) -> None:
        """See `Bmc.power_off`."""
        await self._switch(PowerState.OFF, "ForceOff", timeout_s)

    async def power_on(self, *, timeout_s: float) -> None:
        """See `Bmc.power_on`."""
        await self._switch(PowerState.ON, "On", timeout_s)

    async def close(self) -> None:
        """Close the connections; the BMC cannot be asked afterwards."""
        await self._client.aclose()

    async def _switch(self, wanted: PowerState, reset: Literal["On", "ForceOff"], timeout_s: float) -> None:
        try:
            async with asyncio.timeout(timeout_s):
                system = await self._get_json(await self._system())
                if _power_state(system) is wanted:
                    return
                action = _object(_object(system.get("Actions")).get("#ComputerSystem.Reset"))
                target = _path(action.get("target"))
                if target is None:
                    raise self._refused("it offers no power switch (ComputerSystem.Reset)")
                await self._request("POST", target, {"ResetType": reset})
                while await self.power_state() is not wanted:  # noqa: ASYNC110 - a BMC sends no event
                    await asyncio.sleep(_POWER_POLL_S)
        except TimeoutError as cause:
            raise Silent(
                f"{self._url} did not report power {wanted} within {timeout_s:g} s", subject=self._subject
            ) from cause

    async def _system(self) -> str:
        if self._system_path is None:
            members = await self._members(f"{ROOT}/Systems")
            if not members:
                raise self._refused("it lists no system")
            self._system_path = members[0]
        return self._system_path

    async def _find_sensors(self) -> AsyncIterator[str]:
        for chassis_path in await self._members(f"{ROOT}/Chassis"):
            chassis = await self._get_json(chassis_path)
            old = [link for name in ("Thermal", "Power") if (link := _link(chassis.get(name)))]
            for path in old:
                yield path
            sensors = _link(chassis.get("Sensors"))
            if sensors and not old:
                for path in await self._members(sensors):
                    yield path

    async def _find_logs(self) -> AsyncIterator[str]:
        for owners in ("Managers", "Systems"):
            for owner_path in await self._members(f"{ROOT}/{owners}"):
                services = _link((await self._get_json(owner_path)).get("LogServices"))
                for service in await self._members(services) if services else ():
                    entries = _link((await self._get_json(service)).get("Entries"))
                    if entries:
                        yield entries

    async def _members(self, path: str) -> list[str]:
        members = (await self._get_json(path)).get("Members")
        if not isinstance(members, list):
            raise self._refused(f"{path} is not a Redfish collection")
        links = (_link(member) for member in cast(list[object], members))
        return [link for link in links if link][:_MEMBERS_LIMIT]

    async def _fetch_all(self, paths: Iterable[str]) -> BmcDocument:
        return BmcDocument(resources={path: await self._get_known(path) for path in paths})

    async def _get_known(self, path: str) -> str:
        """A resource found earlier; when the BMC has it no more, the next call looks around again."""
        try:
            return await self._get(path)
        except EngineRefused:
            self._system_path, self._sensor_paths, self._log_paths = None, (), ()
            raise

    async def _get_json(self, path: str) -> _Json:
        return self._parsed(path, await self._get(path))

    async def _get(self, path: str) -> str:
        return await self._request("GET", path, None)

    def _parsed(self, path: str, text: str) -> _Json:
        try:
            value: object = json.loads(text)
        except (ValueError, RecursionError) as cause:
            raise self._refused(f"{path} is not JSON: {text[:40]!r}") from cause
        if not isinstance(value, dict):
            raise self._refused(f"{path} is not a Redfish resource")
        return cast(_Json, value)

    async def _request(
        self, method: Literal["GET", "POST"], path: str, content: Mapping[str, str] | None
    ) -> str:
        try:
            # httpx bounds each read; a BMC that drips bytes for ever is bounded here.
            async with (
                self._turn,
                asyncio.timeout(self._timeout_s),
                self._client.stream(method, path, json=content) as response,
            ):
                body = await self._body(response, path)
        except TimeoutError as cause:
            raise self._silent(path) from cause
        except httpx.TimeoutException as cause:
            raise self._silent(path) from cause
        except httpx.HTTPError as cause:
            raise Silent(
                f"no answer from {self._url}: {str(cause) or type(cause).__name__}", subject=self._subject
            ) from cause
        if response.status_code == HTTPStatus.UNAUTHORIZED:
            raise self._refused("it refuses the user name or password")
        if response.status_code >= HTTPStatus.BAD_REQUEST:
            raise self._refused(f"{method} {path} was answered with status {response.status_code}")
        return body.decode("utf-8", errors="replace")

    async def _body(self, response: httpx.Response, path: str) -> bytes:
        body = bytearray()
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > DOCUMENT_LIMIT_BYTES:
                raise self._refused(f"{path} is longer than {DOCUMENT_LIMIT_BYTES // 1024**2} MiB")
        return bytes(body)

    @property
    def _subject(self) -> str:
        return f"bmc/{self._url.removeprefix('https://')}"

    def _silent(self, path: str) -> Silent:
        return Silent(
            f"{self._url} gave no answer within {self._timeout_s:g} s for {path}", subject=self._subject
        )

    def _refused(self, reason: str) -> EngineRefused:
        return EngineRefused(f"BMC {self._url}: {reason}", subject=self._subject)


def _object(value: object) -> _Json:
    return cast(_Json, value) if isinstance(value, dict) else {}


def _link(value: object) -> str | None:
    return _path(_object(value).get("@odata.id"))


def _path(value: object) -> str | None:
    """`value` if it is a path on the same BMC: an absolute URL would carry our password elsewhere."""
    return value if isinstance(value, str) and value.startswith("/") and value[1:2] != "/" else None


def _power_state(system: _Json) -> PowerState:
    return {"On": PowerState.ON, "Off": PowerState.OFF}.get(str(system.get("PowerState")), PowerState.UNKNOWN)
