"""shuishan site …"""

from collections.abc import Iterator

from shuishan.front.api.client import Client
from shuishan.front.cli.out import Out
from shuishan.front.cli.planned import result_line
from shuishan.front.cli.told import answer, span, state
from shuishan.front.cli.verbs import verb
from shuishan.model.plan import PlanState
from shuishan.model.status import SiteStatus

_OPEN = (PlanState.PROPOSED, PlanState.RUNNING, PlanState.STUCK)


@verb("site", "show", help="front.help.site.show")
def show(api: Client, out: Out) -> None:
    site = api.site()
    out.answer(site, _lines(out, site))


def _lines(out: Out, site: SiteStatus) -> Iterator[str]:
    yield out.word(
        "front.site.head", name=site.name, version=site.version, turn=site.turn, turn_ms=f"{site.turn_ms:.0f}"
    )
    for host in site.hosts:
        cordoned = out.word("front.host.is_cordoned") if host.cordoned else ""
        vms = ", ".join(vm.name for vm in host.seen.vms) or "–"
        yield f"  {host.spec.name}  {state(out, host.seen.state)}  {vms}  {cordoned}"
    for system in site.systems:
        yield "  " + out.word(
            "front.site.system",
            system=system.spec.name,
            serving=answer(out, system.conditions, "serving"),
            lost="?" if system.probe is None else system.probe.lost,
            asked="?" if system.probe is None else system.probe.asked,
        )
    for finding in site.diagnosis.findings:
        yield "  " + out.word(
            "front.site.finding",
            place=f"{finding.host}/{finding.component}" if finding.component else finding.host,
            title=out.tell(finding.title),
            sure=f"{finding.probability:.0%}",
            horizon=span(out, finding.horizon_s),
        )
    for blind in site.diagnosis.blind:
        yield "  " + out.word("front.site.blind", host=blind.host, source=blind.source, reason=blind.reason)
    for plan in site.plans:
        if plan.state in _OPEN:
            yield "  " + result_line(out, plan)
