"""`python -m shuishan.lab.bmc`: the BMC process of one lab. Started by `start_bmc`, not by hand."""

import argparse
import asyncio
from pathlib import Path

from shuishan.lab.bmc.power import LabPower
from shuishan.lab.bmc.process import certificate_files, ensure_password
from shuishan.lab.bmc.serve import serve
from shuishan.lab.layout import LabLayout


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(prog="shuishan.lab.bmc")
    for name in ("root", "cache", "prefix", "subnet", "hosts"):
        parser.add_argument(f"--{name}", required=True)
    given = parser.parse_args()
    layout = LabLayout(
        root=Path(given.root),
        cache=Path(given.cache),
        prefix=given.prefix,
        subnet=given.subnet,
        hosts=tuple(given.hosts.split(",")),
    )
    certificate, key = certificate_files(layout)
    asyncio.run(serve(layout, LabPower(layout), ensure_password(layout), certificate, key))


if __name__ == "__main__":
    main()
