"""Names and addresses of everything in a lab, computed from one value. No I/O."""

from dataclasses import dataclass
from pathlib import Path

HOST_NAMES = ("h1", "h2", "h3")
HOST_MEMORY_BYTES = 2 * 1024**3  # what a lab host offers to VMs; its chassis is a separate guest
HOST_CPU_COUNT = 4
RACKS = {"h1": "rack-a", "h2": "rack-a", "h3": "rack-b"}


@dataclass(frozen=True, slots=True)
class LabLayout:
    """One lab on this machine.

    root:   everything a running lab writes; removed by `lab down`
    cache:  guest images, kept between labs
    prefix: of network namespaces and interfaces (at most 4 characters: interface names end at 15)
    subnet: first three octets of the lab's /24
    """

    root: Path = Path("/srv/shuishan/lab")
    cache: Path = Path("/srv/shuishan/cache")
    prefix: str = "shs"
    subnet: str = "10.77.0"
    hosts: tuple[str, ...] = HOST_NAMES

    @property
    def fabric_netns(self) -> str:
        return f"{self.prefix}-fab"

    @property
    def gateway_address(self) -> str:
        """The root namespace's own address on the lab network."""
        return f"{self.subnet}.254"

    @property
    def control_dir(self) -> Path:
        """State of the control plane that looks after this lab."""
        return self.root / "control"

    @property
    def pki_dir(self) -> Path:
        return self.root / "pki"

    @property
    def pool_dir(self) -> Path:
        """VM disks, shared by all hosts (they share this machine's file system)."""
        return self.root / "pool"

    @property
    def ssh_key(self) -> Path:
        """Private key that opens every chassis as root."""
        return self.root / "pki" / "ssh_key"

    def number(self, host: str) -> int:
        return self.hosts.index(host) + 1

    def host_netns(self, host: str) -> str:
        return f"{self.prefix}-{host}"

    def host_dir(self, host: str) -> Path:
        return self.root / "hosts" / host

    def chassis_dir(self, host: str) -> Path:
        return self.root / "chassis" / host

    def chassis_tap(self, host: str) -> str:
        """Tap on the fabric bridge (in the fabric namespace) for the chassis of a host."""
        return f"{self.prefix}-c{self.number(host)}"

    def host_address(self, host: str) -> str:
        return f"{self.subnet}.{10 + self.number(host)}"

    def chassis_address(self, host: str) -> str:
        return f"{self.subnet}.{110 + self.number(host)}"

    def bmc_address(self, host: str) -> str:
        return f"{self.subnet}.{210 + self.number(host)}"

    @property
    def fabric_bridge(self) -> str:
        """Bridge inside the fabric namespace that joins hosts, chassis, BMCs and this machine."""
        return "br-fab"

    @property
    def uplink(self) -> str:
        """The root namespace's end of its cable to the fabric; the far end is `<uplink>f`."""
        return f"{self.prefix}0"

    def host_port(self, host: str) -> str:
        """The fabric's end of the cable to a host (in the fabric namespace)."""
        return f"{self.prefix}-{host}"

    def mac(self, address: str) -> str:
        """A MAC for a lab address: stable, locally administered, unlike between labs."""
        first, second, third, last = (int(part) for part in address.split("."))
        return f"52:{first:02x}:{second:02x}:{third:02x}:00:{last:02x}"

    def libvirt_uri(self, host: str) -> str:
        return f"qemu+tls://{self.host_address(host)}/system?pkipath={self.pki_dir / 'client'}"
