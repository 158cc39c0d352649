"""A VM's libvirt domain XML from its spec. Pure."""

import hashlib
import uuid
from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

from shuishan.base.storage.qcow2 import GuestImage
from shuishan.model.site import VmSpec

# One model for all hosts of an architecture: a VM must run unchanged wherever it is moved.
_MACHINES = {"x86_64": "q35", "aarch64": "virt"}
_CPU_MODELS = {"x86_64": "Nehalem", "aarch64": "cortex-a57"}
_CONSOLES = {"x86_64": "ttyS0", "aarch64": "ttyAMA0"}


def mac_address(vm: str, nic: int) -> str:
    """A stable, locally administered MAC in QEMU's range."""
    tail = hashlib.sha256(f"{vm}/{nic}".encode()).digest()
    return f"52:54:00:{tail[0]:02x}:{tail[1]:02x}:{tail[2]:02x}"


def command_line(vm: VmSpec, image: GuestImage) -> str:
    """The guest's kernel command line: who it is and where its peers are."""
    nic = vm.nics[0]
    address, _, _ = nic.address.partition("/")
    return image.cmdline.format(
        name=vm.name,
        role=vm.role,
        address=nic.address,
        gateway=address.rsplit(".", 1)[0] + ".254",
        peers=" ".join(f"shuishan.peer.{role}={peer}" for role, peer in sorted(vm.peers.items())),
        console=_CONSOLES[vm.arch],
    )


def domain_xml(
    vm: VmSpec, system: str, image: GuestImage, disks: Sequence[Path], *, accelerator: str, bridge: str
) -> str:
    """Domain XML that defines `vm`.

    accelerator: ``kvm`` or ``tcg``
    disks:       one path per entry of `vm.disks`
    """
    drives = "".join(_disk(path, index) for index, path in enumerate(disks))
    nics = "".join(
        f"<interface type='bridge'><mac address='{mac_address(vm.name, index)}'/>"
        f"<source bridge={quoteattr(bridge)}/><model type='virtio'/></interface>"
        for index in range(len(vm.nics))
    )
    features = "<acpi/>" if vm.arch == "x86_64" else "<gic version='2'/>"
    return f"""<domain type='{"kvm" if accelerator == "kvm" else "qemu"}'>
  <name>{vm.name}</name>
  <uuid>{uuid.uuid5(uuid.NAMESPACE_DNS, f"{vm.name}.vm.shuishan")}</uuid>
  <metadata><s:vm xmlns:s='urn:shuishan:vm' system={quoteattr(system)}/></metadata>
  <memory unit='b'>{vm.memory_bytes}</memory>
  <vcpu>{vm.cpu_count}</vcpu>
  <os>
    <type arch='{vm.arch}' machine='{_MACHINES[vm.arch]}'>hvm</type>
    <kernel>{escape(str(image.kernel))}</kernel>
    <initrd>{escape(str(image.initrd))}</initrd>
    <cmdline>{escape(command_line(vm, image))}</cmdline>
  </os>
  <features>{features}</features>
  <cpu mode='custom' match='exact' check='none'><model fallback='allow'>{_CPU_MODELS[vm.arch]}</model></cpu>
  <on_poweroff>destroy</on_poweroff><on_reboot>restart</on_reboot><on_crash>restart</on_crash>
  <devices>
    <emulator>/usr/bin/qemu-system-{vm.arch}</emulator>
    {drives}
    {nics}
    <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>
    <console type='pty'/>
    <memballoon model='virtio'/>
    <rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>
  </devices>
</domain>"""


def _disk(path: Path, index: int) -> str:
    # cache=none: no page cache on the source that the target could miss after a move.
    return (
        "<disk type='file' device='disk'><driver name='qemu' type='qcow2' cache='none' discard='unmap'/>"
        f"<source file={quoteattr(str(path))}/><target dev='vd{chr(ord('a') + index)}' bus='virtio'/></disk>"
    )
