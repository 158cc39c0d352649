"""What hardware a chassis has, and the QEMU command line that builds it. Pure."""

from dataclasses import dataclass
from pathlib import Path

from shuishan.lab.cper import RESERVED_BASE, RESERVED_BYTES
from shuishan.lab.images import Image
from shuishan.lab.layout import LabLayout

MEMORY_BYTES = 512 * 1024**2
DISK_BYTES = 64 * 1024**2


@dataclass(frozen=True, slots=True)
class Disk:
    """One disk of a chassis. `node` is both the QEMU device id and the name of its top block node."""

    node: str
    device: str  # QEMU device with its place and properties
    guest_path: str  # how the guest names it, stable over boots


def disks(host: str) -> tuple[Disk, ...]:
    """The four data disks, with serial numbers that differ between hosts."""
    label = host.upper()
    hdd, ssd = f"HDD-{label}-0", f"SSD-{label}-1"
    return (
        Disk("nvme0", f"nvme,bus=rp0,serial=NVME-{label}-0", "/dev/nvme0n1"),
        Disk("nvme1", f"nvme,bus=rp1,serial=NVME-{label}-1", "/dev/nvme1n1"),
        Disk(
            "sda",
            f"ide-hd,bus=ide.0,model=ST4000NM0035,serial={hdd},rotation_rate=7200,rerror=report,werror=report",
            f"/dev/disk/by-id/ata-ST4000NM0035_{hdd}",
        ),
        Disk(
            "sdb",
            f"ide-hd,bus=ide.1,model=SSDSC2KB480G8,serial={ssd},rotation_rate=1,rerror=report,werror=report",
            f"/dev/disk/by-id/ata-SSDSC2KB480G8_{ssd}",
        ),
        Disk("usb0", "usb-storage,bus=xhci.0", ""),
    )


def disk(host: str, node: str) -> Disk:
    """The disk with this node name. Raises KeyError for a name no chassis has."""
    return {each.node: each for each in disks(host)}[node]


@dataclass(frozen=True, slots=True)
class Sockets:
    """The Unix sockets of one running chassis."""

    qmp: Path
    agent: Path
    bmc: Path


def sockets(layout: LabLayout, host: str) -> Sockets:
    """Where a chassis and its BMC meet their callers."""
    folder = layout.chassis_dir(host)
    return Sockets(folder / "qmp", folder / "qga", folder / "bmc")


def mac(layout: LabLayout, host: str, card: int) -> str:
    """A fixed address; card 0 is management (the lab's own address plan), card 1 data."""
    octets = layout.mac(layout.chassis_address(host)).split(":")
    return ":".join((*octets[:4], f"{card:02x}", octets[5]))


def kernel_line(host: str) -> str:
    """Kernel command line: the reserved range for error records, and a quick, quiet boot."""
    words = [
        "root=/dev/vda rw rootfstype=ext4 console=ttyS0,115200 loglevel=4",
        f"memmap={RESERVED_BYTES // 1024}K${RESERVED_BASE:#x}",
        "mitigations=off nowatchdog random.trust_cpu=on cryptomgr.notests audit=0 apparmor=0",
        "8250.nr_uarts=1 no_timer_check raid=noautodetect fsck.mode=skip",
        "rcupdate.rcu_expedited=1 systemd.show_status=0 panic=0 selinux=0",
        # A dying kernel tells the BMC, whose log then says why the host fell silent.
        "ipmi_msghandler.panic_op=event",
        f"systemd.hostname={host}",
        # Long polls of a loaded emulator must not take the clock source away in mid-test.
        "tsc=nowatchdog clocksource.verify_n_cpus=0",
    ]
    return " ".join(words)


def qemu_argv(layout: LabLayout, host: str, image: Image, accelerator: str) -> list[str]:
    """The whole QEMU command line of one chassis.

    accelerator: `tcg` or `kvm`
    """
    folder = layout.chassis_dir(host)
    seed = folder / "seed"
    serial = f"SN-{host.upper()}"
    argv = [
        "qemu-system-x86_64",
        *("-name", f"chassis-{host}"),
        *("-machine", "q35,memory-backend=ram,hmat=off"),
        *("-accel", "tcg,thread=multi,tb-size=96" if accelerator == "tcg" else accelerator),
        *("-cpu", "Skylake-Server-v3,enforce=off"),
        *("-smp", "1", "-m", f"{MEMORY_BYTES // 1024**2}M"),
        *(
            "-object",
            f"memory-backend-file,id=ram,size={MEMORY_BYTES},mem-path={folder / 'ram'},share=on",
        ),
        *("-acpitable", f"sig=HEST,rev=1,oem_id=INSPUR,data={folder / 'hest'}"),
        *("-nodefaults", "-no-user-config", "-display", "none"),
        # Without this the guest has no native PCIe hot plug, and pulled devices vanish silently.
        *("-global", "ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off"),
        *("-action", "panic=none"),
        *("-kernel", str(image.kernel), "-initrd", str(image.initrd), "-append", kernel_line(host)),
        *("-chardev", f"file,id=console,path={folder / 'console.log'}", "-serial", "chardev:console"),
        *("-qmp", f"unix:{folder / 'qmp'},server=on,wait=off"),
        *("-pidfile", str(folder / "pid")),
        *("-smbios", f"type=1,manufacturer=Inspur,product=NF5280M6,serial={serial}"),
        *("-smbios", "type=17,loc_pfx=DIMM_A,bank=BANK0,manufacturer=Samsung,part=M393A4K40EB3,speed=3200"),
    ]
    for name in ("ssh_host_key", "authorized_keys", "address", "gateway"):
        argv += ["-fw_cfg", f"name=opt/shuishan/{name},file={seed / name}"]
    argv += _buses(folder)
    argv += _network(layout, host)
    for each in disks(host):
        argv += _disk(folder, each)
    return argv


def _buses(folder: Path) -> list[str]:
    argv = [
        *("-device", "virtio-serial-pci,addr=0x3"),
        *("-chardev", f"socket,path={folder / 'qga'},server=on,wait=off,id=qga"),
        *("-device", "virtserialport,chardev=qga,name=org.qemu.guest_agent.0"),
        *("-blockdev", f"driver=qcow2,node-name=root,file.driver=file,file.filename={folder / 'root.qcow2'}"),
        *("-device", "virtio-blk-pci,drive=root,addr=0x4"),
    ]
    for number in range(3):
        argv += [
            "-device",
            f"pcie-root-port,id=rp{number},chassis={number + 1},slot={number + 1},addr={5 + number:#x}",
        ]
    return [
        *argv,
        *("-device", "x3130-upstream,id=sw0,bus=rp2"),
        *("-device", "xio3130-downstream,id=swd0,bus=sw0,chassis=8,slot=8"),
        *("-device", "qemu-xhci,id=xhci,addr=0x9"),
        *("-device", "pvpanic-pci,addr=0xa"),
        *("-chardev", f"socket,id=bmc,path={folder / 'bmc'},reconnect=1"),
        *("-device", "ipmi-bmc-extern,id=bmc0,chardev=bmc", "-device", "isa-ipmi-kcs,bmc=bmc0,irq=5"),
    ]


def _network(layout: LabLayout, host: str) -> list[str]:
    return [
        *("-netdev", f"tap,id=mgmt,ifname={layout.chassis_tap(host)},script=no,downscript=no"),
        *("-device", f"virtio-net-pci,id=nic0,netdev=mgmt,addr=0x8,mac={mac(layout, host, 0)}"),
        # The data card leads nowhere: only its link and its PCIe place are of interest.
        *("-netdev", "hubport,id=data,hubid=1"),
        *("-device", f"e1000,id=nic1,netdev=data,bus=swd0,mac={mac(layout, host, 1)}"),
    ]


def _disk(folder: Path, each: Disk) -> list[str]:
    """file → blkdebug → raw: the raw node stays while faults swap what is below it."""
    node = each.node
    return [
        *("-blockdev", f"driver=file,filename={folder / node}.raw,node-name={node}-file,locking=off"),
        *("-blockdev", f"driver=blkdebug,node-name={node}-clean,image={node}-file"),
        *("-blockdev", f"driver=raw,node-name={node},file={node}-clean"),
        *("-device", f"{each.device},id={node},drive={node}"),
    ]
