"""Faults that the BMC tells of: fans, power supplies, temperatures, voltages; and of the BMC itself."""

from shuishan.lab.bmc.control import Order, SetBits, SetError, SetMute, SetValue, order
from shuishan.lab.bmc.sensors import BY_NAME, Analog, Discrete
from shuishan.lab.fault_kind import Evidence, FaultKind, Params, Source, Target, text
from shuishan.model.errors import BadInput

_REDUNDANCY_LOST = 0b10


def _reading(name: str, sensor: str, value: float, *evidence: Evidence) -> FaultKind:
    """An analog sensor far from its normal; parameters say which one and where to."""

    async def inject(target: Target, params: Params) -> None:
        await order(
            target.layout,
            SetValue(host=target.host, sensor=_analog(params).name, value=float(params["value"])),
        )

    async def heal(target: Target, params: Params) -> None:
        found = _analog(params)
        await order(target.layout, SetValue(host=target.host, sensor=found.name, value=found.normal))

    return FaultKind(name, inject, heal, evidence, {"sensor": sensor, "value": value})


def _analog(params: Params) -> Analog:
    name = text(params, "sensor")
    found = BY_NAME.get(name)
    if not isinstance(found, Analog):
        raise BadInput(f"no BMC has an analog sensor {name}", subject=f"sensor/{name}")
    return found


def _supply(name: str, bits: int, *evidence: Evidence) -> FaultKind:
    """A power supply in a bad state; with it the redundancy is gone."""

    async def inject(target: Target, params: Params) -> None:
        supply = text(params, "supply")
        for each in _supply_orders(target.host, supply, bits, _REDUNDANCY_LOST, 0.0):
            await order(target.layout, each)

    async def heal(target: Target, params: Params) -> None:
        supply = text(params, "supply")
        status, watts = BY_NAME[f"{supply} Status"], BY_NAME[f"{supply} Pin"]
        redundancy = BY_NAME["PSU Redundancy"]
        assert isinstance(status, Discrete)
        assert isinstance(redundancy, Discrete)
        assert isinstance(watts, Analog)
        for each in _supply_orders(target.host, supply, status.normal, redundancy.normal, watts.normal):
            await order(target.layout, each)

    return FaultKind(name, inject, heal, evidence, {"supply": "PSU1"})


def _supply_orders(host: str, supply: str, bits: int, redundancy: int, watts: float) -> tuple[Order, ...]:
    if f"{supply} Status" not in BY_NAME:
        raise BadInput(f"no lab host has a power supply {supply}", subject=f"psu/{supply}")
    return (
        SetBits(host=host, sensor=f"{supply} Status", bits=bits),
        SetBits(host=host, sensor="PSU Redundancy", bits=redundancy),
        SetValue(host=host, sensor=f"{supply} Pin", value=watts),
    )


async def _mute(target: Target, _params: Params) -> None:
    await order(target.layout, SetMute(host=target.host, on=True))


async def _speak(target: Target, _params: Params) -> None:
    await order(target.layout, SetMute(host=target.host, on=False))


async def _confuse(target: Target, _params: Params) -> None:
    await order(target.layout, SetError(host=target.host, on=True))


async def _clear_up(target: Target, _params: Params) -> None:
    await order(target.layout, SetError(host=target.host, on=False))


def _sensor_says(name: str, reading: str) -> Evidence:
    """One entry of Thermal or Power, named so, with a Critical or Warning health."""
    return Evidence(
        Source.SENSORS,
        rf'"Name": "{name}"[^{{}}]*{reading}[^{{}}]*"Status": {{[^{{}}]*"Health": "(Critical|Warning)"',
        lasting=True,
    )


def _log_says(message: str) -> Evidence:
    return Evidence(Source.SEL, message)


BMC_FAULTS = (
    _reading(
        "fan_stopped",
        "FAN1",
        0,
        _sensor_says("FAN1", '"Reading": 0'),
        _log_says("FAN1: Lower Critical going low, reading 0 < threshold 600 RPM"),
    ),
    _reading(
        "fan_slow",
        "FAN2",
        975,
        _sensor_says("FAN2", '"Reading": 975'),
        _log_says("FAN2: Lower Non-critical going low, reading 975 < threshold 1050 RPM"),
    ),
    _supply(
        "psu_failed",
        0b11,
        _sensor_says("PSU1", '"PowerInputWatts": 0'),
        _log_says("PSU1 Status: Failure detected"),
        _log_says("PSU Redundancy: Redundancy lost"),
    ),
    _supply(
        "psu_ac_lost",
        0b1001,
        _sensor_says("PSU1", '"LineInputStatus": "LossOfInput"'),
        _log_says("PSU1 Status: AC lost"),
    ),
    _reading(
        "inlet_hot",
        "Inlet Temp",
        44,
        _sensor_says("Inlet Temp", '"ReadingCelsius": 44'),
        _log_says("Inlet Temp: Upper Critical going high, reading 44 > threshold 43 Cel"),
    ),
    _reading(
        "cpu_hot",
        "CPU0 Temp",
        97,
        _sensor_says("CPU0 Temp", '"ReadingCelsius": 97'),
        _log_says("CPU0 Temp: Upper Critical going high, reading 97 > threshold 95 Cel"),
    ),
    _reading(
        "voltage_low",
        "P12V",
        10.5,
        _sensor_says("P12V", r'"ReadingVolts": 10\.5'),
        _log_says(r"P12V: Lower Critical going low, reading 10\.5 < threshold 10\.8 V"),
    ),
    FaultKind("bmc_mute", _mute, _speak, (Evidence(Source.BMC, "^silent$", lasting=True),)),
    FaultKind("bmc_errors", _confuse, _clear_up, (Evidence(Source.BMC, "^503$", lasting=True),)),
)
