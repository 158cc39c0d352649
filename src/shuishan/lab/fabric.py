"""The lab's network: one bridge in a namespace of its own, and one cable from it to this machine."""

from pathlib import Path

from shuishan.base import shell
from shuishan.lab import netns
from shuishan.lab.layout import LabLayout


async def up(layout: LabLayout) -> None:
    """Make bridge, cable, BMC addresses and a tap for each chassis. Nothing of it may exist yet."""
    name, bridge, uplink = layout.fabric_netns, layout.fabric_bridge, layout.uplink
    await netns.make(name)
    first_bmc = layout.bmc_address(layout.hosts[0])
    await netns.configure(
        name,
        # A bridge without a pinned MAC takes that of a port; its peers then lose it for an ARP timeout.
        f"link add {bridge} address {layout.mac(first_bmc)} type bridge forward_delay 0",
        f"link set {bridge} up",
        *(f"address add {layout.bmc_address(host)}/24 dev {bridge}" for host in layout.hosts),
        *(f"tuntap add {layout.chassis_tap(host)} mode tap" for host in layout.hosts),
        *(f"link set {layout.chassis_tap(host)} master {bridge} up" for host in layout.hosts),
    )
    await netns.configure(
        None,
        f"link add {uplink} type veth peer name {uplink}f netns {name}",
        f"address add {layout.gateway_address}/24 dev {uplink}",
        f"link set {uplink} up",
    )
    await netns.configure(name, f"link set {uplink}f master {bridge} up")


async def down(layout: LabLayout) -> None:
    """Remove all of it, and every process in it (chassis included); absent parts are fine."""
    if Path(f"/sys/class/net/{layout.uplink}").exists():
        await shell.run(["ip", "link", "delete", layout.uplink], timeout_s=10, check=False)
    await netns.remove(layout.fabric_netns)


async def set_port(layout: LabLayout, port: str, *, up: bool) -> None:
    """Plug or pull one cable on the fabric bridge."""
    await netns.configure(layout.fabric_netns, f"link set {port} {'up' if up else 'down'}")
