"""Sources and names of guest images; no archive is asked."""

from dataclasses import replace
from pathlib import Path

import pytest

from shuishan.lab.hospital import HOSPITAL_CMDLINE, hospital_recipe
from shuishan.lab.images import ImageFile, ImageRecipe, cached_image, parse_apt_targets
from shuishan.lab.layout import LabLayout

RECIPE = ImageRecipe("small", ("kmod",), (ImageFile("/etc/motd", "hello\n"),), ("true",))


def target(release: str, origin: str = "Debian", extra: str = "") -> str:
    return (
        f"MetaKey: main/binary-amd64/Packages\nOrigin: {origin}\nComponent: main\n"
        f"Release: {release}\nRepo-URI: http://archive.example/debian/\n{extra}"
    )


def test_takes_only_debians_own_suite() -> None:
    told = "\n\n".join(
        [
            target("bookworm"),
            target("bookworm"),
            target("bookworm", origin="Somebody"),
            target("bookworm-backports"),
            target("trixie"),
            target("bookworm-security", extra="Signed-By: /usr/share/keyrings/key.gpg\n"),
        ]
    )
    assert parse_apt_targets(told, "bookworm") == [
        "deb http://archive.example/debian/ bookworm main",
        "deb [signed-by=/usr/share/keyrings/key.gpg] http://archive.example/debian/ bookworm-security main",
    ]


@pytest.mark.parametrize("told", ["", "\n\n", "Release: bookworm", target("bookworm", origin="")])
def test_no_archive_is_no_line(told: str) -> None:
    assert parse_apt_targets(told, "bookworm") == []


@pytest.mark.parametrize(
    "other",
    [
        replace(RECIPE, packages=("kmod", "udev")),
        replace(RECIPE, files=(ImageFile("/etc/motd", "hello\n", 0o600),)),
        replace(RECIPE, hooks=()),
        replace(RECIPE, modules=("virtio_net",)),
        replace(RECIPE, kernel_package="linux-image-amd64"),
        replace(RECIPE, size_bytes=1024**3),
    ],
)
def test_any_change_of_a_recipe_is_another_image(other: ImageRecipe) -> None:
    layout = LabLayout(cache=Path("/c"))
    assert cached_image(other, layout) != cached_image(RECIPE, layout)
    assert cached_image(replace(RECIPE), layout) == cached_image(RECIPE, layout)


def test_hospital_is_told_who_it_is_on_the_command_line() -> None:
    told = HOSPITAL_CMDLINE.format(
        console="ttyS0", name="v", role="db", address="10.0.0.1/24", gateway="10.0.0.254", peers=""
    )
    assert "root=/dev/vda" in told
    assert "shuishan.role=db shuishan.address=10.0.0.1/24" in told
    assert all(file.text for file in hospital_recipe().files)
