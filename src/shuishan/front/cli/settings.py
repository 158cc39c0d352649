"""Where the server is and how to be let in: flags, then environment, then the first file that exists."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml
from pydantic import ValidationError

from shuishan.front.api.refusals import first_fault
from shuishan.model.errors import BadInput, NotFound
from shuishan.model.word import Word

FILES = (
    Path("/etc/shuishan/client.yaml"),
    Path("/var/lib/shuishan/client.yaml"),
    Path("/srv/shuishan/lab/control/client.yaml"),  # written by `shuishan lab up`
)


class ClientSettings(Word):
    """url: of the API. token_file: holds the token's secret alone. ca_file: of the site's own CA."""

    url: str
    token_file: Path | None = None
    ca_file: Path | None = None

    def token(self) -> str:
        """The secret. Raises NotFound or BadInput, naming the file and the way out."""
        if self.token_file is None:
            return ""
        try:
            return self.token_file.read_text("utf-8").strip()
        except FileNotFoundError as cause:
            raise NotFound(
                f"token file {self.token_file} does not exist; ask an administrator for a token: "
                "shuishan token create NAME",
                subject=f"file/{self.token_file}",
            ) from cause
        except (OSError, UnicodeDecodeError) as cause:
            raise BadInput(
                f"token file {self.token_file} cannot be read: {cause}", subject=f"file/{self.token_file}"
            ) from cause


def find_settings(
    flags: Mapping[str, str | None], environ: Mapping[str, str], files: Sequence[Path] = FILES
) -> ClientSettings:
    """Settings, each field from the first place that names it.

    flags: url, token_file, ca_file; None where not given
    Raises NotFound when nobody says where the server is.
    """
    nothing: dict[str, str] = {}
    from_file = next((read_file(path) for path in files if path.is_file()), nothing)
    found: dict[str, str] = {}
    for field in ClientSettings.model_fields:
        value = flags.get(field) or environ.get(f"SHUISHAN_{field.upper()}") or from_file.get(field)
        if value:
            found[field] = value
    if "url" not in found:
        raise NotFound(
            "no server is known here: give --url, set SHUISHAN_URL, write "
            f"{files[0] if files else 'a client.yaml'}, or bring up the lab: shuishan lab up",
            subject="settings/url",
        )
    return ClientSettings.model_validate(found)


def read_file(path: Path) -> dict[str, str]:
    """A client.yaml as written. Raises BadInput naming file and field."""
    try:
        settings = ClientSettings.model_validate(yaml.safe_load(path.read_text("utf-8")))
    except ValidationError as cause:
        field, reason = first_fault(cause)
        raise BadInput(f"{path}: {field}: {reason}", subject=f"file/{path}") from cause
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as cause:
        raise BadInput(f"{path} cannot be read: {cause}", subject=f"file/{path}") from cause
    return {key: str(value) for key, value in settings.model_dump().items() if value is not None}
