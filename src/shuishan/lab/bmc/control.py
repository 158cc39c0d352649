"""How faults reach the BMCs: one JSON object a line over a Unix socket, one answer a line.

{"host": "h1", "do": "value", "sensor": "FAN1", "value": 450}
{"host": "h1", "do": "bits", "sensor": "PSU1 Status", "bits": 9}
{"host": "h1", "do": "available", "sensor": "FAN3", "on": false}
{"host": "h1", "do": "entry", "message": "…", "severity": "Warning"}
{"host": "h1", "do": "mute", "on": true}
{"host": "h1", "do": "error", "on": true}
"""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError

from shuishan.lab.bmc.sensors import Health
from shuishan.lab.bmc.state import BmcState
from shuishan.lab.layout import LabLayout
from shuishan.model.errors import EngineRefused, ShuishanError, Silent
from shuishan.model.word import Word


class SetValue(Word):
    """A new reading of an analog sensor, in its own unit."""

    host: str
    do: Literal["value"] = "value"
    sensor: str
    value: float


class SetBits(Word):
    """New states of a discrete sensor, one bit each."""

    host: str
    do: Literal["bits"] = "bits"
    sensor: str
    bits: int


class SetAvailable(Word):
    """Whether a sensor answers."""

    host: str
    do: Literal["available"] = "available"
    sensor: str
    on: bool


class AddEntry(Word):
    """A log record that belongs to no sensor."""

    host: str
    do: Literal["entry"] = "entry"
    message: str
    severity: Health


class SetMute(Word):
    """Whether the BMC says nothing at all."""

    host: str
    do: Literal["mute"] = "mute"
    on: bool


class SetError(Word):
    """Whether the BMC answers everything with an error."""

    host: str
    do: Literal["error"] = "error"
    on: bool


Order = Annotated[
    SetValue | SetBits | SetAvailable | AddEntry | SetMute | SetError, Field(discriminator="do")
]
ORDER: TypeAdapter[Order] = TypeAdapter(Order)


def control_socket(layout: LabLayout) -> Path:
    """Where the BMC process of a lab takes orders."""
    return layout.root / "bmc.sock"


def obey(states: Mapping[str, BmcState], line: bytes, now_s: int) -> str:
    """Carry out one order; "" when done, otherwise why not."""
    try:
        order = ORDER.validate_json(line)
        state = states[order.host]
        match order:
            case SetValue():
                state.set_value(order.sensor, order.value, now_s)
            case SetBits():
                state.set_bits(order.sensor, order.bits, now_s)
            case SetAvailable():
                state.set_available(order.sensor, available=order.on)
            case AddEntry():
                state.add_entry(order.message, order.severity, now_s)
            case SetMute():
                state.mute = order.on
            case SetError():
                state.error = order.on
    except ValidationError as error:
        return f"not an order: {error.errors()[0]['msg']}"
    except KeyError as error:
        return f"no BMC of {error}"
    except ShuishanError as error:
        return error.message
    return ""


async def order(layout: LabLayout, wanted: Order, *, timeout_s: float = 5) -> None:
    """Give the BMC process one order. Raises Silent when it is not there, EngineRefused when it says no."""
    path = control_socket(layout)
    try:
        async with asyncio.timeout(timeout_s):
            reader, writer = await asyncio.open_unix_connection(path)
            try:
                writer.write(wanted.model_dump_json().encode() + b"\n")
                await writer.drain()
                raw = await reader.readline()
            finally:
                writer.close()
    except (OSError, TimeoutError) as cause:
        raise Silent(f"the lab's BMC process does not answer on {path}: {cause}", subject="bmc") from cause
    if not raw:
        raise Silent("the lab's BMC process closed its control socket", subject="bmc")
    refusal = json.loads(raw)["refused"]
    if refusal:
        raise EngineRefused(f"BMC of {wanted.host}: {refusal}", subject=f"bmc/{wanted.host}")
