"""The Redfish resources of one BMC, in the classic schemas (Thermal, Power). Pure documents.

Source: DMTF DSP0266 1.15 (protocol), DSP2046 2023.3 (Thermal 1.7, Power 1.7, LogEntry 1.11).
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from shuishan.lab.bmc.sensors import ANALOG, Analog, Health, Kind, Limit
from shuishan.lab.bmc.state import BmcState, Entry, worst

ROOT = "/redfish/v1"
RESET_TYPES = ("On", "ForceOff", "ForceRestart")
_SUPPLIES = ("PSU0", "PSU1")
_THRESHOLD_WORDS = {
    Limit.LOWER_NONCRITICAL: "LowerThresholdNonCritical",
    Limit.LOWER_CRITICAL: "LowerThresholdCritical",
    Limit.LOWER_FATAL: "LowerThresholdFatal",
    Limit.UPPER_NONCRITICAL: "UpperThresholdNonCritical",
    Limit.UPPER_CRITICAL: "UpperThresholdCritical",
    Limit.UPPER_FATAL: "UpperThresholdFatal",
}

Document = dict[str, Any]


def document(state: BmcState, path: str) -> Document | None:
    """The resource at `path`; None when there is none."""
    build = _routes(state).get(path.rstrip("/"))
    return build() if build else None


def error(message_id: str, message: str) -> Document:
    """The body of an answer that says no (DSP0266 8.6)."""
    info = {
        "@odata.type": "#Message.v1_1_1.Message",
        "MessageId": f"Base.1.13.{message_id}",
        "Message": message,
    }
    return {"error": {"code": f"Base.1.13.{message_id}", "message": message, "@Message.ExtendedInfo": [info]}}


def reset_path(state: BmcState) -> str:
    """Where a ComputerSystem.Reset is posted to."""
    return f"{ROOT}/Systems/{state.host}/Actions/ComputerSystem.Reset"


def _routes(state: BmcState) -> Mapping[str, Callable[[], Document]]:
    host = state.host
    log = f"{ROOT}/Managers/bmc/LogServices"
    return {
        "/redfish": lambda: {"v1": f"{ROOT}/"},
        ROOT: lambda: _root(state),
        f"{ROOT}/Systems": lambda: _collection(
            "ComputerSystem", f"{ROOT}/Systems", [f"{ROOT}/Systems/{host}"]
        ),
        f"{ROOT}/Systems/{host}": lambda: _system(state),
        f"{ROOT}/Chassis": lambda: _collection("Chassis", f"{ROOT}/Chassis", [f"{ROOT}/Chassis/{host}"]),
        f"{ROOT}/Chassis/{host}": lambda: _chassis(state),
        f"{ROOT}/Chassis/{host}/Thermal": lambda: _thermal(state),
        f"{ROOT}/Chassis/{host}/Power": lambda: _power(state),
        f"{ROOT}/Managers": lambda: _collection("Manager", f"{ROOT}/Managers", [f"{ROOT}/Managers/bmc"]),
        f"{ROOT}/Managers/bmc": lambda: _manager(state),
        log: lambda: _collection("LogService", log, [f"{log}/SEL"]),
        f"{log}/SEL": lambda: _log_service(f"{log}/SEL"),
        f"{log}/SEL/Entries": lambda: _entries(state, f"{log}/SEL/Entries"),
    }


def _resource(kind: str, version: str, path: str, identity: str, name: str) -> Document:
    return {"@odata.id": path, "@odata.type": f"#{kind}.v{version}.{kind}", "Id": identity, "Name": name}


def _link(path: str) -> Document:
    return {"@odata.id": path}


def _collection(kind: str, path: str, members: list[str]) -> Document:
    return {
        "@odata.id": path,
        "@odata.type": f"#{kind}Collection.{kind}Collection",
        "Name": f"{kind} Collection",
        "Members@odata.count": len(members),
        "Members": [_link(member) for member in members],
    }


def _status(health: Health, *, enabled: bool = True) -> Document:
    return {"State": "Enabled" if enabled else "UnavailableOffline", "Health": health}


def _root(state: BmcState) -> Document:
    return _resource("ServiceRoot", "1_13_0", ROOT, "RootService", "Root Service") | {
        "RedfishVersion": "1.15.0",
        "UUID": f"00000000-0000-0000-0000-{state.host.encode().hex():>012}",
        **{word: _link(f"{ROOT}/{word}") for word in ("Systems", "Chassis", "Managers")},
    }


def _system(state: BmcState) -> Document:
    path = f"{ROOT}/Systems/{state.host}"
    return _resource("ComputerSystem", "1_18_0", path, state.host, state.host) | {
        "SystemType": "Physical",
        "Manufacturer": "Inspur",
        "Model": "NF5280M6",
        "SerialNumber": f"SN-{state.host.upper()}",
        "PowerState": "On" if state.power_on else "Off",
        "Status": _status(state.overall()) | {"HealthRollup": state.overall()},
        "ProcessorSummary": {"Count": 2, "Status": _status(state.health("CPU0 Status"))},
        "MemorySummary": {"Status": _status(state.health("MEM Status"))},
        "Links": {
            "Chassis": [_link(f"{ROOT}/Chassis/{state.host}")],
            "ManagedBy": [_link(f"{ROOT}/Managers/bmc")],
        },
        "Actions": {
            "#ComputerSystem.Reset": {
                "target": reset_path(state),
                "ResetType@Redfish.AllowableValues": list(RESET_TYPES),
            }
        },
    }


def _chassis(state: BmcState) -> Document:
    path = f"{ROOT}/Chassis/{state.host}"
    return _resource("Chassis", "1_21_0", path, state.host, state.host) | {
        "ChassisType": "RackMount",
        "Manufacturer": "Inspur",
        "Model": "NF5280M6",
        "SerialNumber": f"SN-{state.host.upper()}",
        "PowerState": "On" if state.power_on else "Off",
        "Status": _status(state.overall()),
        "Thermal": _link(f"{path}/Thermal"),
        "Power": _link(f"{path}/Power"),
        "Links": {"ComputerSystems": [_link(f"{ROOT}/Systems/{state.host}")]},
    }


def _analog(state: BmcState, sensor: Analog, path: str, place: int, *, array: str, reading: str) -> Document:
    available = sensor.name not in state.unavailable
    return {
        "@odata.id": f"{path}#/{array}/{place}",
        "MemberId": str(place),
        "Name": sensor.name,
        "SensorNumber": sensor.number,
        reading: state.values[sensor.name] if available else None,
        **{_THRESHOLD_WORDS[limit]: value for limit, value in sensor.limits.items()},
        "Status": _status(state.health(sensor.name), enabled=available),
    }


def _of_kind(kind: Kind) -> list[Analog]:
    return [sensor for sensor in ANALOG if sensor.kind is kind]


def _thermal(state: BmcState) -> Document:
    path = f"{ROOT}/Chassis/{state.host}/Thermal"
    temperatures = [
        _analog(state, sensor, path, place, array="Temperatures", reading="ReadingCelsius")
        for place, sensor in enumerate(_of_kind(Kind.TEMPERATURE))
    ]
    fans = [
        _analog(state, sensor, path, place, array="Fans", reading="Reading") | {"ReadingUnits": "RPM"}
        for place, sensor in enumerate(_of_kind(Kind.FAN))
    ]
    return _resource("Thermal", "1_7_1", path, "Thermal", "Thermal") | {
        "Temperatures": temperatures,
        "Fans": fans,
    }


def _power(state: BmcState) -> Document:
    path = f"{ROOT}/Chassis/{state.host}/Power"
    supplies = [_supply(state, name, path, place) for place, name in enumerate(_SUPPLIES)]
    voltages = [
        _analog(state, sensor, path, place, array="Voltages", reading="ReadingVolts")
        for place, sensor in enumerate(_of_kind(Kind.VOLTAGE))
    ]
    redundancy = {
        "@odata.id": f"{path}#/Redundancy/0",
        "MemberId": "0",
        "Name": "PSU Redundancy",
        "Mode": "N+m",
        "MinNumNeeded": 1,
        "MaxNumSupported": len(_SUPPLIES),
        "RedundancySet": [_link(f"{path}#/PowerSupplies/{place}") for place in range(len(_SUPPLIES))],
        "Status": _status(state.health("PSU Redundancy")),
    }
    watts = sum(state.values[f"{name} Pin"] for name in _SUPPLIES)
    control = {
        "@odata.id": f"{path}#/PowerControl/0",
        "MemberId": "0",
        "Name": "System",
        "PowerConsumedWatts": watts,
    }
    return _resource("Power", "1_7_1", path, "Power", "Power") | {
        "PowerControl": [control],
        "PowerSupplies": supplies,
        "Voltages": voltages,
        "Redundancy": [redundancy],
    }


def _supply(state: BmcState, name: str, path: str, place: int) -> Document:
    status = f"{name} Status"
    bits = state.states[status]
    present = bool(bits & 0b1)
    mains = not bits & 0b1000
    return {
        "@odata.id": f"{path}#/PowerSupplies/{place}",
        "MemberId": str(place),
        "Name": name,
        "Model": "CRPS1300",
        "SerialNumber": f"PSU-{state.host.upper()}-{place}",
        "PowerSupplyType": "AC",
        "LineInputVoltage": 230 if mains else 0,
        "LineInputStatus": "Normal" if mains else "LossOfInput",
        "PowerInputWatts": state.values[f"{name} Pin"],
        "PowerCapacityWatts": 1300,
        "Status": {
            "State": "Enabled" if present else "Absent",
            "Health": worst([state.health(status), state.health(f"{name} Pin")]),
        },
    }


def _manager(state: BmcState) -> Document:
    path = f"{ROOT}/Managers/bmc"
    return _resource("Manager", "1_18_0", path, "bmc", f"BMC of {state.host}") | {
        "ManagerType": "BMC",
        "FirmwareVersion": "1.16",
        "Status": _status("OK"),
        "LogServices": _link(f"{path}/LogServices"),
        "Links": {"ManagerForServers": [_link(f"{ROOT}/Systems/{state.host}")]},
    }


def _log_service(path: str) -> Document:
    return _resource("LogService", "1_4_0", path, "SEL", "System Event Log") | {
        "OverWritePolicy": "WrapsWhenFull",
        "LogEntryType": "SEL",
        "Entries": _link(f"{path}/Entries"),
    }


def _entries(state: BmcState, path: str) -> Document:
    members = [_entry(entry, path) for entry in state.entries]
    return {
        "@odata.id": path,
        "@odata.type": "#LogEntryCollection.LogEntryCollection",
        "Name": "SEL Entries",
        "Members@odata.count": len(members),
        "Members": members,
    }


def _entry(entry: Entry, path: str) -> Document:
    identity = str(entry.number)
    extra = {"SensorNumber": entry.sensor_number, "SensorType": _sensor_word(entry)} if entry.sensor else {}
    return _resource("LogEntry", "1_11_0", f"{path}/{identity}", identity, entry.sensor or "System") | {
        "EntryType": "SEL",
        "EntryCode": "Assert" if entry.asserted else "Deassert",
        "Severity": entry.severity,
        "Created": datetime.fromtimestamp(entry.at_s, UTC).isoformat(),
        "Message": entry.message,
        **extra,
    }


def _sensor_word(entry: Entry) -> str:
    """Redfish's name of an IPMI sensor type (LogEntry.SensorType)."""
    words = {0x01: "Temperature", 0x02: "Voltage", 0x04: "Fan", 0x07: "Processor", 0x0C: "Memory"}
    return words.get(entry.sensor_type, "Power Supply / Converter")
