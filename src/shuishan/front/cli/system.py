"""shuishan system …"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from typer import Argument

from shuishan.front.api.client import Client
from shuishan.front.cli.exits import Exit
from shuishan.front.cli.out import Out, table
from shuishan.front.cli.planned import carry
from shuishan.front.cli.told import answer, gib, state
from shuishan.front.cli.verbs import verb
from shuishan.model.status import SystemStatus

SystemName = Annotated[str, Argument(metavar="SYSTEM", help="front.argument.system")]


@verb("system", "apply", help="front.help.system.apply")
def apply(
    api: Client,
    out: Out,
    file: Annotated[Path, Argument(metavar="FILE", help="front.argument.system_file")],
) -> Exit:
    from shuishan.front.cli.system_file import read_system_file  # noqa: PLC0415  only this verb reads YAML

    return carry(api, out, api.apply_system(read_system_file(file)))


@verb("system", "remove", help="front.help.system.remove")
def remove(api: Client, out: Out, name: SystemName) -> Exit:
    return carry(api, out, api.remove_system(name))


@verb("system", "list", help="front.help.system.list")
def list_systems(api: Client, out: Out) -> None:
    systems = api.systems()
    head = [
        out.word("front.column.system"),
        out.word("front.column.care_tier"),
        out.word("front.column.serving"),
        out.word("front.column.vms"),
        out.word("front.column.tolerance"),
        out.word("front.column.title"),
    ]
    rows = [
        (
            one.spec.name,
            out.word(_TIERS[one.spec.care_tier]),
            answer(out, one.conditions, "serving"),
            f"{sum(vm.state == 'running' for vm in one.vms)}/{len(one.spec.vms)}",
            f"{one.spec.tolerance_s:g} s",
            _title(out, one),
        )
        for one in systems
    ]
    out.answer(systems, table(head, rows) if rows else [out.word("front.system.none")])


@verb("system", "show", help="front.help.system.show")
def show(api: Client, out: Out, name: SystemName) -> None:
    system = api.system(name)
    out.answer(system, _lines(out, system))


_TIERS = {
    "life_critical": "front.tier.life_critical",
    "core": "front.tier.core",
    "support": "front.tier.support",
    "test": "front.tier.test",
}


def _title(out: Out, system: SystemStatus) -> str:
    titles = system.spec.title
    return titles.get("zh" if out.language == "zh" else "en") or next(iter(titles.values()), "")


def _lines(out: Out, system: SystemStatus) -> Iterator[str]:
    yield f"{system.spec.name}   {_title(out, system)}   {out.word(_TIERS[system.spec.care_tier])}"
    yield out.word(
        "front.system.generation", generation=system.generation, observed=system.observed_generation
    )
    specs = {spec.name: spec for spec in system.spec.vms}
    for vm in system.vms:
        spec = specs.get(vm.name)
        size = f"{spec.cpu_count} CPU  {gib(spec.memory_bytes)}" if spec else ""
        yield f"  {vm.name}  {vm.host or '–'}  {state(out, vm.state)}  {size}"
    for one in system.conditions:
        yield f"  {answer(out, (one,), one.type)}  {out.tell(one.message)}"
    if system.probe is not None:
        yield "  " + out.word(
            "front.system.probe",
            asked=system.probe.asked,
            answered=system.probe.answered,
            lost=system.probe.lost,
            slowest="–" if system.probe.latency_max_ms is None else f"{system.probe.latency_max_ms:.0f}",
        )
