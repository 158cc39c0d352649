"""A BMC: one state, told over IPMI and Redfish, changed over the control socket."""

import json
import struct

import pytest

from shuishan.lab.bmc import redfish
from shuishan.lab.bmc.control import obey
from shuishan.lab.bmc.ipmi import COMMAND, ESCAPE, MESSAGE, IpmiSession, Unframer, framed
from shuishan.lab.bmc.sensors import ANALOG, BY_NUMBER
from shuishan.lab.bmc.state import SEL_CAPACITY, BmcState
from shuishan.model.errors import NotFound

NOW_S = 1_800_000_000


def ask(session: IpmiSession, netfn: int, command: int, data: bytes = b"") -> tuple[int, bytes]:
    """Completion code and data of one command, over the real framing."""
    body = bytes((7, netfn << 2, command)) + data
    message = body + bytes((-sum(body) & 0xFF,))
    wire = session.answer(message, NOW_S)
    assert wire is not None
    (answer,) = Unframer().feed(wire)
    assert answer[:3] == bytes((7, netfn << 2 | 4, command))
    return answer[3], answer[4:-1]


def test_marker_bytes_inside_a_message_survive_the_framing() -> None:
    payload = bytes((1, 2, MESSAGE, COMMAND, ESCAPE, 3))
    assert Unframer().feed(framed(payload))[0][:-1] == payload


def test_a_message_with_a_wrong_checksum_is_dropped() -> None:
    assert Unframer().feed(bytes((1, 2, 3, 4, MESSAGE))) == []


@pytest.mark.parametrize(("mute", "error"), [(True, False), (True, True)])
def test_a_mute_bmc_says_nothing(*, mute: bool, error: bool) -> None:
    session = IpmiSession(BmcState("h1", mute=mute, error=error))
    assert session.answer(bytes((7, 0x18, 1, 0xE0)), NOW_S) is None


def test_a_confused_bmc_answers_every_command_with_timeout() -> None:
    assert ask(IpmiSession(BmcState("h1", error=True)), 6, 1) == (0xC3, b"")


@pytest.mark.parametrize(
    ("netfn", "command", "data", "code"),
    [(6, 0x99, b"", 0xC1), (0x2C, 1, b"", 0xC1), (4, 0x2D, b"\xfe", 0xCB), (0xA, 0x23, b"", 0xC9)],
)
def test_what_it_does_not_know_it_refuses(netfn: int, command: int, data: bytes, code: int) -> None:
    assert ask(IpmiSession(BmcState("h1")), netfn, command, data)[0] == code


def test_every_sensor_record_can_be_walked_to_the_end() -> None:
    session, record, seen = IpmiSession(BmcState("h1")), 0, 0
    while record != 0xFFFF:
        code, data = ask(session, 0xA, 0x23, struct.pack("<HHBB", 0, record, 0, 0xFF))
        assert code == 0
        assert len(data) == 2 + 5 + data[6]
        record, seen = struct.unpack_from("<H", data)[0], seen + 1
    assert seen == len(BY_NUMBER)


def test_a_healthy_server_crosses_no_threshold() -> None:
    assert BmcState("h1").overall() == "OK"
    assert all(not sensor.crossed(sensor.normal) for sensor in ANALOG)


def test_a_stopped_fan_is_critical_everywhere_and_its_log_ends_when_it_turns_again() -> None:
    state = BmcState("h1")
    session = IpmiSession(state)
    state.set_value("FAN1", 0, NOW_S)
    assert ask(session, 4, 0x2D, b"\x11") == (0, bytes((0, 0xC0, 0xC0 | 0b111)))
    fans = (redfish.document(state, "/redfish/v1/Chassis/h1/Thermal") or {})["Fans"]
    assert [fan["Status"]["Health"] for fan in fans] == ["OK", "Critical", "OK", "OK"]
    state.set_value("FAN1", 7500, NOW_S + 5)
    assert [entry.asserted for entry in state.entries] == [True] * 3 + [False] * 3
    assert state.overall() == "OK"
    code, record = ask(session, 0xA, 0x43, struct.pack("<HHBB", 0, 2, 0, 0xFF))
    assert code == 0
    assert record[2:] == struct.pack("<HBIHB", 2, 2, NOW_S, 0x20, 4) + bytes((4, 0x11, 1, 0x52, 0, 8))


def test_a_sensor_without_reading_is_offline_not_zero() -> None:
    state = BmcState("h1")
    state.set_available("FAN3", available=False)
    fans = (redfish.document(state, "/redfish/v1/Chassis/h1/Thermal") or {})["Fans"]
    assert fans[3]["Reading"] is None
    assert fans[3]["Status"]["State"] == "UnavailableOffline"
    assert ask(IpmiSession(state), 4, 0x2D, b"\x13") == (0, b"\0\xe0\0")


def test_a_dying_kernel_leaves_its_word_in_the_log() -> None:
    state = BmcState("h1")
    panic = bytes((0x41, 3, 0x20, ord("s"), 0x6F, 0xA1, ord("y"), ord("s")))
    assert ask(IpmiSession(state), 4, 2, panic) == (0, b"")
    assert state.entries[0].severity == "Critical"
    assert "run-time critical stop" in state.entries[0].message


def test_the_log_wraps_and_its_numbers_go_on() -> None:
    state = BmcState("h1")
    for _ in range(SEL_CAPACITY + 3):
        state.add_entry("Power on", "OK", NOW_S)
    assert len(state.entries) == SEL_CAPACITY
    assert (state.entries[0].number, state.entries[-1].number) == (4, SEL_CAPACITY + 3)


def test_every_link_of_the_redfish_tree_leads_somewhere() -> None:
    state = BmcState("h1")
    state.set_bits("PSU1 Status", 0b1001, NOW_S)
    waiting, seen = ["/redfish/v1"], set[str]()
    while waiting:
        path = waiting.pop()
        if path in seen or "#" in path or "/Entries/" in path:
            continue
        seen.add(path)
        found = redfish.document(state, path)
        assert found is not None, path
        waiting += [part.split('"')[0] for part in json.dumps(found).split('"@odata.id": "')[1:]]
    assert "/redfish/v1/Managers/bmc/LogServices/SEL/Entries" in seen


@pytest.mark.parametrize(
    ("line", "refusal"),
    [
        (b"{", "not an order"),
        (b'{"host": "h1", "do": "melt"}', "not an order"),
        (b'{"host": "h9", "do": "mute", "on": true}', "no BMC of 'h9'"),
        (b'{"host": "h1", "do": "value", "sensor": "FAN9", "value": 1}', "no analog sensor FAN9"),
        (b'{"host": "h1", "do": "mute", "on": true}', ""),
    ],
)
def test_orders_are_checked(line: bytes, refusal: str) -> None:
    said = obey({"h1": BmcState("h1")}, line, NOW_S)
    assert said.startswith(refusal) if refusal and not refusal.startswith("no analog") else refusal in said
    assert bool(said) is bool(refusal)


def test_kinds_of_sensors_are_not_mixed_up() -> None:
    with pytest.raises(NotFound):
        BmcState("h1").set_value("PSU1 Status", 1, NOW_S)
    with pytest.raises(NotFound):
        BmcState("h1").set_bits("FAN1", 1, NOW_S)
