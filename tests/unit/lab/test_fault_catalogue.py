"""The registry of lab faults as data."""

import re

import pytest

from shuishan.lab.chassis_devices import qemu_argv
from shuishan.lab.fault_kind import FaultKind, Source
from shuishan.lab.faults import FAULTS
from shuishan.lab.images import Image
from shuishan.lab.layout import LabLayout
from shuishan.model.errors import BadInput

ALL = list(FAULTS.values())


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.name)
def test_a_fault_says_what_breaks_and_how_it_shows(kind: FaultKind) -> None:
    assert kind.title.en
    assert kind.title.zh
    assert kind.evidence
    for evidence in kind.evidence:
        re.compile(evidence.pattern)
        assert bool(evidence.command) is (evidence.source is Source.GUEST)
        if evidence.source is Source.SMART:
            assert "disk" in kind.params


def test_a_parameter_of_another_type_is_refused() -> None:
    assert FAULTS["fan_slow"].filled({"value": 900})["value"] == 900
    with pytest.raises(BadInput, match="value of fault fan_slow"):
        FAULTS["fan_slow"].filled({"value": "slow"})


def test_two_chassis_share_no_address_socket_or_serial_number() -> None:
    layout = LabLayout()
    image = Image(layout.cache / "disk", layout.cache / "kernel", layout.cache / "initrd")
    first, second = (" ".join(qemu_argv(layout, host, image, "tcg")) for host in ("h1", "h2"))
    for pattern in (r"mac=[0-9a-f:]+", r"serial=[\w-]+", r"ifname=[\w-]+", r"path=\S+?(?=[ ,])"):
        assert not set(re.findall(pattern, first)) & set(re.findall(pattern, second)), pattern
