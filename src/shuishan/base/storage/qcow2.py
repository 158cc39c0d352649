"""VM disks as qcow2 overlays in one folder that every host of the site can reach."""

from collections.abc import Mapping
from pathlib import Path

from shuishan.base import shell
from shuishan.model.errors import NotFound
from shuishan.model.site import DiskSpec
from shuishan.model.word import Word


class GuestImage(Word):
    """A bootable base image.

    cmdline: kernel command line; ``{name}``, ``{role}``, ``{address}``, ``{gateway}`` and ``{peers}``
             (``shuishan.peer.ROLE=ADDRESS`` for each) are filled in per VM
    """

    disk: Path
    kernel: Path
    initrd: Path
    cmdline: str


class Qcow2Pool:
    """Makes and deletes VM disks. Paths are the same on every host."""

    def __init__(self, folder: Path, images: Mapping[str, GuestImage]) -> None:
        self._folder = folder
        self._images = images

    def image(self, name: str) -> GuestImage:
        """The base image `name`. Raises NotFound, naming those the site holds."""
        if name not in self._images:
            known = ", ".join(sorted(self._images)) or "none"
            raise NotFound(f"image {name} is not in this site (it holds: {known})", subject=f"image/{name}")
        return self._images[name]

    def path(self, vm: str, disk: DiskSpec) -> Path:
        # A dot, since no name holds one: the disks of `his-db` are not those of `his`.
        return self._folder / f"{vm}.{disk.name}.qcow2"

    async def make(self, vm: str, disk: DiskSpec) -> Path:
        """The disk's path; made as an overlay of its image unless it is already there."""
        path = self.path(vm, disk)
        if not path.exists():
            self._folder.mkdir(parents=True, exist_ok=True)
            fresh = path.with_suffix(".new")
            base = self.image(disk.image).disk
            size = str(disk.size_bytes)
            command = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", base, fresh, size]
            await shell.run(command, timeout_s=30)
            fresh.rename(path)  # a killed qemu-img leaves no half disk behind
        return path

    def delete(self, vm: str) -> None:
        """Delete every disk of `vm`; none there is no error."""
        for path in self._folder.glob(f"{vm}.*.qcow2"):
            path.unlink(missing_ok=True)
