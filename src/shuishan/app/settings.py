"""The site file: who the hosts are, how to reach them, and every number the control plane runs by."""

from pathlib import Path
from typing import Literal

import yaml
from pydantic import Field, ValidationError

from shuishan.base.storage.qcow2 import GuestImage
from shuishan.model.errors import BadInput, NotFound
from shuishan.model.site import HostSpec
from shuishan.model.word import Word


class Listen(Word):
    """Where the API answers. TLS always: the files come from the site's own CA."""

    address: str = "127.0.0.1"
    port: int = Field(default=8443, ge=1, le=65535)
    cert_file: Path
    key_file: Path
    ca_file: Path


class SshAccess(Word):
    """How host operating systems are read. known_hosts is required: unknown keys are refused."""

    user: str = "root"
    key_file: Path
    known_hosts: Path


class BmcAccess(Word):
    """password_file holds the password alone; it is read at use and never logged."""

    user: str
    password_file: Path
    ca_file: Path


class Periods(Word):
    """How often the world is read, in seconds. Small ones suit a lab; defaults suit a production site.

    turn_s:  longest time between two turns of the loop; a new log line starts one at once
    stale_s: after this long without a word a source counts as unknown
    """

    turn_s: float = Field(default=2.0, gt=0.05, le=60)
    look_timeout_s: float = Field(default=3.0, gt=0.1, le=60)
    smart_s: float = Field(default=60.0, ge=1)
    bmc_s: float = Field(default=15.0, ge=1)
    edac_s: float = Field(default=30.0, ge=1)
    stale_s: float = Field(default=180.0, ge=2)
    window_s: float = Field(default=24 * 3600.0, ge=60)
    max_lines_per_host: int = Field(default=2000, ge=100)


class Compute(Word):
    accelerator: Literal["kvm", "tcg"] = "kvm"
    bridge: str = "br0"
    pool_dir: Path
    images: dict[str, GuestImage]
    migration_tls: bool = True  # memory that travels holds patients' data
    migration_mib_per_s: int = Field(default=0, ge=0)  # 0: as fast as the network allows


class SiteFile(Word):
    """The whole file. state_dir holds the database and must belong to the service alone (mode 0700)."""

    name: str
    state_dir: Path
    listen: Listen
    hosts: tuple[HostSpec, ...] = Field(min_length=1)
    ssh: SshAccess | None = None
    bmc: BmcAccess | None = None
    compute: Compute
    periods: Periods = Periods()
    policy_file: Path | None = None  # None: the policy that comes with Shuishan


def read_site_file(path: Path) -> SiteFile:
    """Raises NotFound or BadInput, naming the file, the field and what was expected."""
    try:
        content = yaml.safe_load(path.read_text("utf-8"))
    except FileNotFoundError as cause:
        raise NotFound(
            f"site file {path} is not there; `shuishan lab up` writes one for the lab, or see docs/guide",
            subject=f"file/{path}",
        ) from cause
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as cause:
        raise BadInput(f"site file {path} cannot be read: {cause}", subject=f"file/{path}") from cause
    try:
        return SiteFile.model_validate(content)
    except ValidationError as cause:
        first = cause.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "the file"
        raise BadInput(f"site file {path}: {field}: {first['msg']}", subject=f"file/{path}") from cause


def write_site_file(site: SiteFile, path: Path) -> None:
    """The inverse of `read_site_file`."""
    path.write_text(
        yaml.safe_dump(site.model_dump(mode="json"), allow_unicode=True, sort_keys=False), "utf-8"
    )
