"""Domain XML: well-formed whatever the names, the same wherever the VM is moved."""

from pathlib import Path
from xml.etree import ElementTree

import pytest

from shuishan.base.compute.libvirt_xml import command_line, domain_xml, mac_address
from shuishan.base.storage.qcow2 import GuestImage
from shuishan.model.site import Arch, DiskSpec, NicSpec, VmSpec

IMAGE = GuestImage(
    disk=Path("/i/disk"),
    kernel=Path("/i/a&b <kernel>"),
    initrd=Path("/i/initrd"),
    cmdline="console={console} name={name} role={role} ip={address} gw={gateway} {peers}",
)


def vm(**changes: object) -> VmSpec:
    made = VmSpec(
        name="his-db",
        cpu_count=2,
        memory_bytes=256 * 1024**2,
        disks=(DiskSpec(size_bytes=1, image="x"), DiskSpec(name="data", size_bytes=1, image="x")),
        nics=(NicSpec(address="192.0.2.9/24"), NicSpec(address="192.0.2.10/24")),
        role="db",
        peers={"b": "192.0.2.2", "a": "192.0.2.1"},
    )
    return made.model_copy(update=changes)


def parsed(
    spec: VmSpec, *, accelerator: str = "tcg", bridge: str = "br0", system: str = "his"
) -> ElementTree.Element:
    disks = [Path(f'/pool/it\'s {index} & "so".qcow2') for index, _ in enumerate(spec.disks)]
    return ElementTree.fromstring(
        domain_xml(spec, system, IMAGE, disks, accelerator=accelerator, bridge=bridge)
    )


def test_what_it_says_is_what_was_declared() -> None:
    root = parsed(vm(), bridge="br'<0>&", system="a<b>&'\"c")
    assert root.findtext("name") == "his-db"
    assert root.findtext("memory") == str(256 * 1024**2)
    assert root.findtext("vcpu") == "2"
    assert root.findtext("os/kernel") == "/i/a&b <kernel>"
    assert [disk.attrib["file"] for disk in root.findall("devices/disk/source")] == [
        '/pool/it\'s 0 & "so".qcow2',
        '/pool/it\'s 1 & "so".qcow2',
    ]
    assert [disk.attrib["dev"] for disk in root.findall("devices/disk/target")] == ["vda", "vdb"]
    assert {nic.attrib["bridge"] for nic in root.findall("devices/interface/source")} == {"br'<0>&"}
    (mark,) = root.findall("metadata/")
    assert mark.attrib["system"] == "a<b>&'\"c"


def test_a_hostile_role_stays_on_the_command_line() -> None:
    root = parsed(vm(role="</cmdline><x>&"))
    assert "role=</cmdline><x>&" in (root.findtext("os/cmdline") or "")


@pytest.mark.parametrize(
    ("arch", "machine", "console", "features"),
    [("x86_64", "q35", "ttyS0", {"acpi"}), ("aarch64", "virt", "ttyAMA0", {"gic"})],
)
def test_each_architecture_has_its_machine(
    arch: Arch, machine: str, console: str, features: set[str]
) -> None:
    root = parsed(vm(arch=arch))
    kind = root.find("os/type")
    assert kind is not None
    assert (kind.attrib["arch"], kind.attrib["machine"]) == (arch, machine)
    assert root.findtext("devices/emulator") == f"/usr/bin/qemu-system-{arch}"
    assert f"console={console} " in (root.findtext("os/cmdline") or "")
    assert {feature.tag for feature in root.findall("features/")} == features


@pytest.mark.parametrize(("accelerator", "type"), [("kvm", "kvm"), ("tcg", "qemu")])
def test_the_accelerator_is_the_domains_type(accelerator: str, type: str) -> None:
    assert parsed(vm(), accelerator=accelerator).attrib["type"] == type


def test_identity_is_stable_and_differs_between_vms_and_nics() -> None:
    uuids = {parsed(vm(name=name)).findtext("uuid") for name in ("his-db", "his-db", "his-app")}
    assert len(uuids) == 2
    macs = [mac_address(name, nic) for name in ("his-db", "his-app") for nic in (0, 1)]
    assert len(set(macs)) == 4
    assert macs[0] == mac_address("his-db", 0)
    assert all(mac.startswith("52:54:00:") and len(mac) == 17 for mac in macs)
    shown = [mac.attrib["address"] for mac in parsed(vm()).findall("devices/interface/mac")]
    assert shown == macs[:2]


def test_the_guest_is_told_who_it_is_and_where_its_peers_are() -> None:
    assert command_line(vm(), IMAGE) == (
        "console=ttyS0 name=his-db role=db ip=192.0.2.9/24 gw=192.0.2.254 "
        "shuishan.peer.a=192.0.2.1 shuishan.peer.b=192.0.2.2"
    )
