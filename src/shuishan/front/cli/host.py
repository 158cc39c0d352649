"""shuishan host …"""

from collections.abc import Iterator
from typing import Annotated

from typer import Argument, Option

from shuishan.catalog.messages import say
from shuishan.front.api.client import Client
from shuishan.front.cli.exits import Exit
from shuishan.front.cli.out import Out, table
from shuishan.front.cli.planned import carry
from shuishan.front.cli.told import answer, clock_time, gib, state
from shuishan.front.cli.verbs import verb
from shuishan.model.status import HostStatus

HostName = Annotated[str, Argument(metavar="HOST", help="front.argument.host")]


@verb("host", "list", help="front.help.host.list")
def list_hosts(api: Client, out: Out) -> None:
    hosts = api.hosts()
    head = [
        out.word(column)
        for column in (
            "front.column.host",
            "front.column.rack",
            "front.column.arch",
            "front.column.state",
            "front.column.healthy",
            "front.column.takes_vms",
            "front.column.vms",
            "front.column.cpu",
            "front.column.memory",
        )
    ]
    rows = [
        (
            host.spec.name,
            host.spec.rack,
            host.spec.arch,
            state(out, host.seen.state),
            answer(out, host.conditions, "healthy"),
            answer(out, host.conditions, "schedulable"),
            _count(host),
            str(host.spec.cpu_count),
            gib(host.spec.memory_bytes),
        )
        for host in hosts
    ]
    out.answer(hosts, table(head, rows))


@verb("host", "show", help="front.help.host.show")
def show(api: Client, out: Out, name: HostName) -> None:
    host = api.host(name)
    out.answer(host, _lines(out, host))


@verb("host", "cordon", help="front.help.host.cordon")
def cordon(api: Client, out: Out, name: HostName) -> None:
    host = api.cordon(name)
    out.answer(host, [out.word("front.host.cordoned", host=name)])


@verb("host", "uncordon", help="front.help.host.uncordon")
def uncordon(api: Client, out: Out, name: HostName) -> None:
    host = api.uncordon(name)
    out.answer(host, [out.word("front.host.uncordoned", host=name)])


@verb("host", "repaired", help="front.help.host.repaired")
def repaired(
    api: Client,
    out: Out,
    name: HostName,
    component: Annotated[str | None, Option("--component", help="front.option.component")] = None,
) -> Exit | None:
    part = f"{name}/{component}" if component else name
    if not out.agreed(say("front.ask.repaired", part=part)):
        out.talk(say("front.nothing_changed"))
        return Exit.NOTHING_CHANGED
    host = api.repaired(name, component)
    out.answer(host, [out.word("front.host.repaired", part=part)])
    return None


@verb("host", "drain", help="front.help.host.drain")
def drain(api: Client, out: Out, name: HostName) -> Exit:
    return carry(api, out, api.drain(name))


def _count(host: HostStatus) -> str:
    """How many VMs; "?" when the host gives no answer, for then nobody knows."""
    return str(len(host.seen.vms)) if host.seen.state == "answering" else "?"


def _lines(out: Out, host: HostStatus) -> Iterator[str]:
    cordoned = out.word("front.host.is_cordoned") if host.cordoned else ""
    yield f"{host.spec.name}   {state(out, host.seen.state)}   {cordoned}"
    yield out.word(
        "front.host.made_of",
        rack=host.spec.rack,
        arch=host.spec.arch,
        cpu=host.spec.cpu_count,
        memory=gib(host.spec.memory_bytes),
        at=clock_time(host.seen.seen_at_s),
    )
    if host.seen.reason:
        yield f"  {host.seen.reason}"
    for one in host.conditions:
        yield f"  {answer(out, (one,), one.type)}  {out.tell(one.message)}"
    for blind in host.blind:
        yield "  " + out.word(
            "front.blind", source=blind.source, since=clock_time(blind.since_s), reason=blind.reason
        )
    for finding in host.findings:
        yield "  " + out.word("front.host.finding", finding=finding)
    for vm in host.seen.vms:
        yield "  " + out.word(
            "front.host.vm",
            vm=vm.name,
            state=state(out, vm.state),
            cpu=vm.cpu_count,
            memory=gib(vm.memory_bytes),
            system=vm.system or "–",
        )
