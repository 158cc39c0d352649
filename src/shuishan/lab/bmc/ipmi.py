"""IPMI as a guest's `ipmi_si` driver speaks it through QEMU's external-BMC socket. Pure bytes.

Source: IPMI 2.0 rev 1.1 (commands, SDR and SEL records); QEMU hw/ipmi/ipmi_bmc_extern.c and
OpenIPMI's README.vm (framing of the VM protocol).
"""

import struct
from dataclasses import dataclass, field

from shuishan.lab.bmc.sensors import BY_NUMBER, LOWER, UPPER, Analog, Discrete, Limit
from shuishan.lab.bmc.state import BmcState, Entry

MESSAGE, COMMAND, ESCAPE = 0xA0, 0xA1, 0xAA
OWNER = 0x20  # the BMC's own bus address

INVALID_COMMAND = 0xC1
TIMED_OUT = 0xC3
PARAMETER_RANGE = 0xC9
NOT_PRESENT = 0xCB
UNSPECIFIED = 0xFF


def escaped(frame: bytes) -> bytes:
    """A frame with the three marker bytes escaped, without its end marker."""
    out = bytearray()
    for byte in frame:
        out += bytes((ESCAPE, byte | 0x10)) if byte in (MESSAGE, COMMAND, ESCAPE) else bytes((byte,))
    return bytes(out)


def vm_command(*code: int) -> bytes:
    """A command to QEMU itself, e.g. (0xFF, 1) "version 1", (8, 0x3F) "my capabilities"."""
    return escaped(bytes(code)) + bytes((COMMAND,))


def greeting() -> bytes:
    """What a BMC says first: protocol version and capabilities (power, reset, irq, nmi, attention)."""
    return vm_command(0xFF, 1) + vm_command(0x08, 0x3F)


@dataclass(slots=True)
class Unframer:
    """Turns the byte stream from QEMU into whole messages; VM commands of the guest are dropped."""

    _buffer: bytearray = field(default_factory=bytearray)
    _escaping: bool = False

    def feed(self, data: bytes) -> list[bytes]:
        """Messages completed by these bytes: sequence, netfn/lun, command, data…, checksum."""
        done: list[bytes] = []
        for byte in data:
            if self._escaping:
                self._buffer.append(byte & ~0x10)
                self._escaping = False
            elif byte == ESCAPE:
                self._escaping = True
            elif byte in (MESSAGE, COMMAND):
                message = bytes(self._buffer)
                self._buffer.clear()
                if byte == MESSAGE and len(message) >= 4 and sum(message) & 0xFF == 0:
                    done.append(message)
            else:
                self._buffer.append(byte)
        return done


def framed(answer: bytes) -> bytes:
    """An answer with checksum, escapes and end marker."""
    return escaped(answer + bytes((-sum(answer) & 0xFF,))) + bytes((MESSAGE,))


@dataclass(slots=True)
class IpmiSession:
    """What a BMC remembers for its guest between commands, beside the sensor state."""

    state: BmcState
    enables: int = 0
    reservation: int = 0

    def answer(self, message: bytes, now_s: int) -> bytes | None:
        """The framed answer to one message; None when the BMC is mute."""
        if self.state.mute:
            return None
        netfn, command, data = message[1] >> 2, message[2], message[3:-1]
        try:
            reply = TIMED_OUT if self.state.error else self._reply(netfn, command, data, now_s)
        except (IndexError, struct.error):
            reply = PARAMETER_RANGE
        body = bytes((reply,)) if isinstance(reply, int) else b"\0" + reply
        return framed(bytes((message[0], message[1] | 4, command)) + body)

    def _reply(self, netfn: int, command: int, data: bytes, now_s: int) -> bytes | int:
        match netfn:
            case 0x06:
                return self._application(command, data)
            case 0x00:
                return self._chassis(command)
            case 0x04:
                return self._sensor(command, data, now_s)
            case 0x0A:
                return self._storage(command, data, now_s)
            case _:
                return INVALID_COMMAND

    def _application(self, command: int, data: bytes) -> bytes | int:  # noqa: PLR0911 - one per command
        match command:
            case 0x01:  # Get Device ID: firmware 1.16, IPMI 2.0, Inspur's IANA number 37945 (0x9439)
                return bytes((OWNER, 1, 1, 0x10, 2, 0xBF, 0x39, 0x94, 0, 0x34, 0x12))
            case 0x04:  # Get Self Test Results: all passed
                return b"\x55\0"
            case 0x2E:
                self.enables = data[0]
                return b""
            case 0x2F:
                return bytes((self.enables,))
            case 0x30 | 0x22:  # Clear Message Flags, Reset Watchdog
                return b""
            case 0x31:  # Get Message Flags: nothing waits
                return b"\0"
            case 0x08 | 0x37:  # Get Device/System GUID
                return bytes(range(16))
            case 0x42:  # Get Channel Info: the system interface
                return bytes((data[0] & 0xF or 0xF, 0xC, 5, 0x80, 0, 0, 0, 0, 0))
            case _:
                return INVALID_COMMAND

    def _chassis(self, command: int) -> bytes | int:
        if command == 0x01:  # Get Chassis Status
            return bytes((int(self.state.power_on), 0, 0x40))
        return INVALID_COMMAND

    def _sensor(self, command: int, data: bytes, now_s: int) -> bytes | int:
        if command == 0x02:  # Platform Event: generator, revision, then the event itself
            self.state.add_host_event(data[2:8], now_s)
            return b""
        sensor = BY_NUMBER.get(data[0]) if data else None
        if sensor is None:
            return NOT_PRESENT if command in (0x2D, 0x27) else INVALID_COMMAND
        if command == 0x2D:
            return self._reading(sensor)
        if command == 0x27 and isinstance(sensor, Analog):
            return bytes((limit_mask(sensor), *(threshold(sensor, limit) for limit in Limit)))
        return NOT_PRESENT

    def _reading(self, sensor: Analog | Discrete) -> bytes:
        if sensor.name in self.state.unavailable:
            return b"\0\xe0\0"
        if isinstance(sensor, Discrete):
            return b"\0\xc0" + struct.pack("<H", self.state.states[sensor.name] | 0x8000)
        bits = sum(1 << place for place, limit in enumerate(Limit) if limit in self.state.crossed(sensor))
        return bytes((sensor.raw(self.state.values[sensor.name]), 0xC0, 0xC0 | bits))

    def _storage(  # noqa: PLR0911 - one return per command of the protocol
        self, command: int, data: bytes, now_s: int
    ) -> bytes | int:
        match command:
            case 0x10:  # FRU inventory: none
                return struct.pack("<HB", 0, 0)
            case 0x20:  # Get SDR Repository Info
                return struct.pack("<BHHIIB", 0x51, len(BY_NUMBER), 0xFFFF, 0, 0, 0x22)
            case 0x22 | 0x42:  # Reserve SDR Repository / SEL
                self.reservation = self.reservation % 0xFFFF + 1
                return struct.pack("<H", self.reservation)
            case 0x23:
                return self._get_sdr(data)
            case 0x40:  # Get SEL Info
                return struct.pack("<BHHIIB", 0x51, len(self.state.entries), 0xFFFF, now_s, 0, 2)
            case 0x43:
                return self._get_sel(data)
            case 0x44:
                return struct.pack("<H", self.state.add_host_event(data[10:16], now_s).number)
            case 0x47:
                if data[5] == 0xAA:
                    self.state.clear_log()
                return b"\x01"
            case 0x48:
                return struct.pack("<I", now_s)
            case 0x49:
                return b""
            case _:
                return INVALID_COMMAND

    def _get_sdr(self, data: bytes) -> bytes | int:
        _, record, offset, count = struct.unpack("<HHBB", data)
        numbers = sorted(BY_NUMBER)
        index = max(0, record - 1)
        if index >= len(numbers):
            return NOT_PRESENT
        whole = sensor_record(index + 1, BY_NUMBER[numbers[index]])
        following = index + 2 if index + 1 < len(numbers) else 0xFFFF
        end = None if count == 0xFF else offset + count
        return struct.pack("<H", following) + whole[offset:end]

    def _get_sel(self, data: bytes) -> bytes | int:
        wanted = struct.unpack("<H", data[2:4])[0]
        entries = self.state.entries
        by_number = {entry.number: place for place, entry in enumerate(entries)}
        places = {0: 0, 0xFFFF: len(entries) - 1}
        place = places.get(wanted, by_number.get(wanted, -1))
        if not 0 <= place < len(entries):
            return NOT_PRESENT
        following = entries[place + 1].number if place + 1 < len(entries) else 0xFFFF
        return struct.pack("<H", following) + event_record(entries[place])


def threshold(sensor: Analog, limit: Limit) -> int:
    """A threshold in counts; 0 where the sensor has none (the mask says so)."""
    return sensor.raw(sensor.limits[limit]) if limit in sensor.limits else 0


def limit_mask(sensor: Analog) -> int:
    """Which thresholds are readable, one bit each in the order of `Limit`."""
    return sum(1 << place for place, limit in enumerate(Limit) if limit in sensor.limits)


def event_record(entry: Entry) -> bytes:
    """A 16-byte SEL record (IPMI 2.0 table 32-1)."""
    head = struct.pack("<HBIHB", entry.number & 0xFFFF, 2, entry.at_s, OWNER, 4)
    return head + bytes((entry.sensor_type, entry.sensor_number, entry.event_type)) + entry.data


def sensor_record(number: int, sensor: Analog | Discrete) -> bytes:
    """A full (type 1) or compact (type 2) sensor data record (IPMI 2.0 tables 43-1 and 43-2)."""
    body = _full(sensor) if isinstance(sensor, Analog) else _compact(sensor)
    kind = 1 if isinstance(sensor, Analog) else 2
    return struct.pack("<HBBB", number, 0x51, kind, len(body)) + body


def _name(sensor: Analog | Discrete) -> bytes:
    raw = sensor.name.encode("ascii")[:16]
    return bytes((0xC0 | len(raw),)) + raw


def _full(sensor: Analog) -> bytes:
    events = 0
    if any(limit in sensor.limits for limit in LOWER):
        events |= 0x15  # going low: non-critical, critical, non-recoverable
    if any(limit in sensor.limits for limit in UPPER):
        events |= 0xA80  # going high
    mask = limit_mask(sensor)
    head = bytes((OWNER, 0, sensor.number, sensor.entity, sensor.instance, 0x7F, 0x68))
    head += bytes((sensor.kind.sensor_type, 0x01)) + struct.pack("<HH", events, events)
    head += bytes((mask, mask, 0, sensor.kind.unit_code, 0, 0))
    scale = bytes((sensor.factor & 0xFF, sensor.factor >> 8 << 6, 0, 0, 0, (sensor.exponent & 0xF) << 4))
    nominal = bytes((0, sensor.raw(sensor.normal), 0, 0, 255, 0))
    upper = (threshold(sensor, limit) for limit in reversed(UPPER))
    lower = (threshold(sensor, limit) for limit in reversed(LOWER))
    return head + scale + nominal + bytes((*upper, *lower, 1, 1, 0, 0, 0)) + _name(sensor)


def _compact(sensor: Discrete) -> bytes:
    head = bytes((OWNER, 0, sensor.number, sensor.entity, sensor.instance, 0x67, 0x40))
    head += bytes((sensor.sensor_type, sensor.event_type)) + struct.pack("<HHH", 0x7FFF, 0, 0x7FFF)
    return head + bytes((0xC0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0)) + _name(sensor)
