"""Which processes a lab may kill, and which it must not."""

import pytest

from shuishan.lab.layout import LabLayout
from shuishan.lab.leftovers import belongs

LAYOUT = LabLayout()
ROOT = str(LAYOUT.root)


@pytest.mark.parametrize(
    "words",
    [
        ["qemu-system-x86_64", "-pidfile", f"{ROOT}/chassis/h1/pid"],
        ["/usr/bin/python", "-m", "shuishan.lab.bmc", "--root", ROOT],
        ["unshare", "--pid", "sh", "/x/host-init.sh", "h1", f"{ROOT}/hosts/h1"],
        ["/v/bin/python", "/v/bin/shuishan", "server", "--site", f"{ROOT}/control/site.yaml"],
    ],
)
def test_own_programs(words: list[str]) -> None:
    assert belongs(words, LAYOUT)


@pytest.mark.parametrize(
    "words",
    [
        [""],
        ["less", f"{ROOT}/hosts/h1/console.log"],
        ["tail", "-f", f"{ROOT}/control/server.log"],
        ["/usr/bin/python", "-m", "shuishan.lab.bmc", "--root", "/srv/other/lab"],
        ["/usr/bin/python", "-m", "shuishan.lab.bmc", "--root", f"{ROOT}-two"],
        ["qemu-system-x86_64", "-drive", f"file={ROOT}-two/disk"],
        ["/v/bin/python", "/v/bin/shuishan", "lab", "down"],
    ],
)
def test_everybody_elses(words: list[str]) -> None:
    assert not belongs(words, LAYOUT)
