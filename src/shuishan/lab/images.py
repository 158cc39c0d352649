"""Disk images of the lab's guests, built on this machine from Debian packages.

A recipe says what is in a guest; `ensure_image` builds it once and keeps it in the cache, named by a
hash of the recipe. Packages come from the Debian archive this machine itself is set up to use.
"""

import asyncio
import contextlib
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import AsyncGenerator, Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from shuishan.base import shell
from shuishan.catalog.messages import say
from shuishan.lab.layout import LabLayout
from shuishan.model.errors import EngineRefused, NotFound, Silent
from shuishan.model.word import Text

SUITE = "bookworm"
BUILD_TIMEOUT_S = 1200.0
_SCRIPTS = Path(__file__).parent / "guest"
_BUILD_MARK = ".build-"

# What every guest needs to find its root disk; anything built into the kernel is skipped.
ROOT_MODULES = ("virtio_pci", "virtio_blk", "ext4", "crc32c_generic")

# Nobody reads manuals in a guest, and no guest has these devices: less to unpack and to write.
_UNWANTED_PATHS = (
    "/usr/share/doc/*",
    "/usr/share/man/*",
    "/usr/share/info/*",
    "/usr/share/locale/*",
    "/usr/share/lintian/*",
    "/lib/modules/*/kernel/drivers/gpu/*",
    "/lib/modules/*/kernel/drivers/media/*",
    "/lib/modules/*/kernel/drivers/net/wireless/*",
    "/lib/modules/*/kernel/drivers/infiniband/*",
    "/lib/modules/*/kernel/drivers/staging/*",
    "/lib/modules/*/kernel/drivers/bluetooth/*",
    "/lib/modules/*/kernel/net/wireless/*",
    "/lib/modules/*/kernel/net/bluetooth/*",
    "/lib/modules/*/kernel/sound/*",
)

Progress = Callable[[Text], None]


@dataclass(frozen=True, slots=True)
class ImageFile:
    """A text file put into the guest, owned by root, over what the packages brought."""

    path: str
    text: str
    mode: int = 0o644


@dataclass(frozen=True, slots=True)
class ImageRecipe:
    """What is in a guest image.

    packages:   Debian packages beside the minimal base; the kernel is named apart
    hooks:      shell lines run in the guest's root after packages and files (no daemon runs there)
    modules:    kernel modules the initrd loads before it mounts the root disk, beside ROOT_MODULES
    size_bytes: size of the root disk; the file is sparse
    """

    name: str
    packages: tuple[str, ...]
    files: tuple[ImageFile, ...]
    hooks: tuple[str, ...]
    modules: tuple[str, ...] = ()
    kernel_package: str = "linux-image-cloud-amd64"
    size_bytes: int = 2 * 1024**3

    def digest(self) -> str:
        """Changes whenever the image would: recipe, scripts of the build, or unwanted paths."""
        scripts = [path.read_text("utf-8") for path in sorted(_SCRIPTS.glob("*.sh"))]
        parts = [asdict(self), scripts, ROOT_MODULES, _UNWANTED_PATHS, SUITE, "qcow2"]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Image:
    """A built image. The guest boots by direct kernel boot: kernel, initrd, `root=/dev/vda`.

    disk: qcow2 with an ext4 file system without partitions; never written to, guests use overlays on it
    """

    disk: Path
    kernel: Path
    initrd: Path


def cached_image(recipe: ImageRecipe, layout: LabLayout) -> Image:
    """Where the recipe's image is, or will be once built."""
    folder = layout.cache / f"{recipe.name}-{recipe.digest()}"
    return Image(folder / "disk.qcow2", folder / "kernel", folder / "initrd")


async def ensure_image(recipe: ImageRecipe, layout: LabLayout, progress: Progress) -> Image:
    """The recipe's image, built if it is not in the cache (minutes; needs root and the archive).

    Raises NotFound when this machine knows no Debian archive, EngineRefused when a package or hook
    refuses, Silent when the build takes longer than BUILD_TIMEOUT_S.
    """
    image = cached_image(recipe, layout)
    if image.disk.exists():
        return image
    layout.cache.mkdir(parents=True, exist_ok=True)
    async with _only_builder(layout.cache / f"{recipe.name}.lock", recipe.name):
        if image.disk.exists():
            return image
        _remove_leftovers(recipe, layout)
        progress(say("lab.image.building", image=recipe.name, packages=len(recipe.packages)))
        build = layout.cache / f"{recipe.name}{_BUILD_MARK}{os.getpid()}"
        build.mkdir()
        try:
            await _build(recipe, layout, build)
            finished = build / "finished"
            finished.rename(image.disk.parent)
        finally:
            shutil.rmtree(build, ignore_errors=True)
    progress(say("lab.image.built", image=recipe.name))
    return image


async def make_overlay(image: Image, disk: Path) -> None:
    """Make `disk` a qcow2 file that starts as the image and takes a guest's writes."""
    disk.parent.mkdir(parents=True, exist_ok=True)
    await shell.run(
        ["qemu-img", "create", "-q", "-f", "qcow2", "-b", image.disk, "-F", "qcow2", disk], timeout_s=20
    )


async def _build(recipe: ImageRecipe, layout: LabLayout, build: Path) -> None:
    root = build / "root"
    _write_inputs(recipe, build, await apt_lines(), await apt_settings())
    archives = layout.cache / "debs"
    archives.mkdir(exist_ok=True)
    # A pid namespace of its own, so that killing the first process leaves no mount and no child behind.
    await shell.run(
        [
            "unshare",
            "--mount",
            "--pid",
            "--fork",
            "--kill-child",
            "--mount-proc",
            *_mmdebstrap(recipe, build),
        ],
        timeout_s=BUILD_TIMEOUT_S,
        env={"INITRD": "No", "DEBIAN_FRONTEND": "noninteractive", "SHUISHAN_DEBS": str(archives)},
    )
    finished = build / "finished"
    finished.mkdir()
    disk = build / "disk.raw"
    with disk.open("wb") as file:
        file.truncate(recipe.size_bytes)
    await shell.run(
        # No lazy work left for the guest's first boot; the journal stays, for hosts lose power here.
        [
            *("mke2fs", "-q", "-t", "ext4", "-E", "lazy_itable_init=0,lazy_journal_init=0", "-m", "0"),
            *("-J", "size=16", "-L", recipe.name[:16], "-d", root, disk),
        ],
        timeout_s=300,
    )
    await shell.run(
        ["qemu-img", "convert", "-f", "raw", "-O", "qcow2", disk, finished / "disk.qcow2"], timeout_s=120
    )
    (build / "kernel").rename(finished / "kernel")
    (build / "initrd.cpio").rename(finished / "initrd")


def _mmdebstrap(recipe: ImageRecipe, build: Path) -> list[str]:
    keep_debs = 'cp -n "$1"/var/cache/apt/archives/*.deb "$SHUISHAN_DEBS"/'
    lend_debs = 'mkdir -p "$1"/var/cache/apt/archives; cp -a "$SHUISHAN_DEBS"/. "$1"/var/cache/apt/archives/'
    auth = 'mkdir -p "$1"/etc/apt; cp -a /etc/apt/auth.conf.d "$1"/etc/apt/ || true'
    finish = f'sh "{build}/finish-image.sh" "$1" "{build}"'
    return [
        *("mmdebstrap", "--mode=root", "--variant=minbase", "--format=directory", "--quiet"),
        f"--include={','.join((recipe.kernel_package, 'busybox-static', *recipe.packages))}",
        f"--aptopt={build / 'apt.conf'}",
        "--dpkgopt=force-unsafe-io",
        *(f"--dpkgopt=path-exclude={path}" for path in _UNWANTED_PATHS),
        *("--skip=download/empty", "--skip=essential/unlink", "--skip=cleanup/apt"),
        *(f"--setup-hook={auth}", f"--setup-hook={lend_debs}"),
        *(f"--customize-hook={keep_debs}", f"--customize-hook={finish}"),
        '--customize-hook=rm -rf "$1"/var/cache/apt/* "$1"/var/lib/apt/lists/*',
        *(SUITE, str(build / "root"), str(build / "sources.list")),
    ]


def _write_inputs(recipe: ImageRecipe, build: Path, sources: str, settings: str) -> None:
    files = build / "files"
    files.mkdir()
    for file in recipe.files:
        path = files / file.path.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(file.text, "utf-8")
        path.chmod(file.mode)
    (build / "hooks.sh").write_text("\n".join((*recipe.hooks, "")), "utf-8")
    (build / "modules").write_text("\n".join((*ROOT_MODULES, *recipe.modules, "")), "utf-8")
    (build / "sources.list").write_text(sources, "utf-8")
    (build / "apt.conf").touch(mode=0o600)  # proxies may carry a password
    (build / "apt.conf").write_text(settings, "utf-8")
    shutil.copy(_SCRIPTS / "initrd-init.sh", build / "init")
    shutil.copy(_SCRIPTS / "finish-image.sh", build / "finish-image.sh")


async def apt_lines() -> str:
    """sources.list lines for the suite, from apt's own reading of this machine's sources."""
    told = await shell.run(["apt-get", "indextargets", "Created-By: Packages"], timeout_s=30)
    lines = parse_apt_targets(told.stdout, SUITE)
    if not lines:
        raise NotFound(
            f"this machine's apt knows no Debian archive with suite {SUITE}; "
            "add one to /etc/apt/sources.list.d and run apt-get update",
            subject="command/apt-get",
        )
    return "\n".join((*lines, ""))


def parse_apt_targets(told: str, suite: str) -> list[str]:
    """One-line sources of Debian's `suite`, its updates and its security fixes.

    told: output of `apt-get indextargets` (blank-line separated records of `Key: value`)
    """
    wanted = {suite, f"{suite}-updates", f"{suite}-security"}
    lines: list[str] = []
    for record in told.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in record.splitlines() if ": " in line)
        if fields.get("Release") not in wanted or fields.get("Origin") != "Debian":
            continue
        signed = f"[signed-by={fields['Signed-By']}] " if fields.get("Signed-By") else ""
        line = f"deb {signed}{fields['Repo-URI']} {fields['Release']} {fields['Component']}"
        if line not in lines:
            lines.append(line)
    return lines


async def apt_settings() -> str:
    """apt.conf text: how this machine reaches the archive (proxies, dates), and what a build spares."""
    told = await shell.run(["apt-config", "dump"], timeout_s=30)
    reach = [
        line
        for line in told.stdout.splitlines()
        if line.startswith("Acquire::") and not line.startswith("Acquire::IndexTargets") and '""' not in line
    ]
    spare = ['Acquire::Languages "none";', 'APT::Install-Recommends "false";', 'APT::Sandbox::User "root";']
    return "\n".join((*reach, *spare, ""))


@contextlib.asynccontextmanager
async def _only_builder(lock: Path, name: str) -> AsyncGenerator[None, None]:
    """Hold the build lock of one image; whoever comes second waits and finds the image built."""
    with lock.open("w") as file:
        for _ in range(int(BUILD_TIMEOUT_S)):
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                await asyncio.sleep(1)
        else:
            raise Silent(
                f"image {name}: another build has held {lock} for {BUILD_TIMEOUT_S:g} s",
                subject=f"image/{name}",
            )
        yield


def _remove_leftovers(recipe: ImageRecipe, layout: LabLayout) -> None:
    """Remove what killed builds and older recipes of this image left; the lock is held."""
    for path in layout.cache.glob(f"{recipe.name}{_BUILD_MARK}*"):
        shutil.rmtree(path)
    if left := list(layout.cache.glob(f"{recipe.name}{_BUILD_MARK}*")):
        raise EngineRefused(f"{left[0]} of a killed build cannot be removed", subject=f"image/{recipe.name}")
