"""`shuishan server`: the control plane of one site, in the foreground."""

import asyncio
import contextlib
import logging
import os
import signal
from pathlib import Path
from typing import Annotated

import typer

from shuishan.model.errors import Conflict

SITE_FILES = (Path("/etc/shuishan/site.yaml"), Path("/srv/shuishan/lab/control/site.yaml"))


def server(
    site: Annotated[
        Path | None, typer.Option(help="Site file; default: /etc/shuishan/site.yaml, else the running lab's.")
    ] = None,
) -> None:
    """Run the control plane of a site until stopped (Ctrl-C or SIGTERM)."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    path = site or next((each for each in SITE_FILES if each.exists()), SITE_FILES[0])
    asyncio.run(_serve(path))
    # Deeds under way run in threads that cannot be told to stop. Leaving them as a crash would is
    # safe (the next start goes on with the plan) and the one path we test anyway.
    os._exit(0)


async def _serve(path: Path) -> None:
    # The engines are heavy; other commands must not wait for them to load.
    from shuishan.app.settings import read_site_file  # noqa: PLC0415
    from shuishan.app.wiring import Site  # noqa: PLC0415
    from shuishan.front.api.serve import serve  # noqa: PLC0415

    file = read_site_file(path)
    _claim(file.state_dir)
    async with Site(file) as running:
        listen = file.listen
        work = asyncio.create_task(
            serve(running.house, listen.address, listen.port, listen.cert_file, listen.key_file)
        )
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, work.cancel)
        typer.echo(f"Shuishan serves site {file.name} at https://{listen.address}:{listen.port}", err=True)
        with contextlib.suppress(asyncio.CancelledError):
            await work


def _claim(state_dir: Path) -> None:
    """One control plane per site: two would both move the same VMs."""
    import fcntl  # noqa: PLC0415

    state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = os.open(state_dir / "server.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as cause:
        raise Conflict(
            f"a control plane for {state_dir} runs already (pid in {state_dir}/server.pid); stop it first",
            subject=f"file/{state_dir}",
        ) from cause
    (state_dir / "server.pid").write_text(str(os.getpid()))
