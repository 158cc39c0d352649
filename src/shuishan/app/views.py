"""What the API shows, made from what the last turn saw. Pure."""

from collections.abc import Sequence

from shuishan.catalog.messages import say
from shuishan.model.finding import Diagnosis, Severity
from shuishan.model.proof import ProbeSummary
from shuishan.model.signal import Source
from shuishan.model.site import HostSpec, HostState, SiteView, SystemSpec, VmState
from shuishan.model.status import Condition, HostStatus, SystemStatus, VmStatus

# A host without an EDAC driver still reports memory errors through firmware and its kernel log.
_NEEDED_SOURCES = (Source.KERNEL_LOG, Source.SMART, Source.BMC_SENSOR)
_LIVELIEST_FIRST = (VmState.RUNNING, VmState.PAUSED, VmState.UNKNOWN, VmState.CRASHED, VmState.SHUT_OFF)
_GRAVITY = {Severity.INFO: 0, Severity.WARNING: 1, Severity.CRITICAL: 2}


def host_status(spec: HostSpec, site: SiteView, diagnosis: Diagnosis) -> HostStatus:
    findings = [finding for finding in diagnosis.findings if finding.host == spec.name]
    blind = tuple(blind for blind in diagnosis.blind if blind.host == spec.name)
    return HostStatus(
        spec=spec,
        seen=site.view(spec.name),
        cordoned=spec.name in site.cordoned,
        conditions=(
            _answering(spec, site),
            _healthy(spec, diagnosis),
            _schedulable(spec.name in site.cordoned),
        ),
        blind=blind,
        findings=tuple(finding.id for finding in findings),
    )


def _answering(spec: HostSpec, site: SiteView) -> Condition:
    view = site.view(spec.name)
    if view.state is HostState.ANSWERING:
        return Condition(
            type="answering", status="true", reason="Answering", message=say("condition.answering_yes")
        )
    message = say("condition.answering_unknown", reason=view.reason or view.state.value)
    return Condition(type="answering", status="unknown", reason="Silent", message=message)


def _healthy(spec: HostSpec, diagnosis: Diagnosis) -> Condition:
    findings = [f for f in diagnosis.findings if f.host == spec.name and f.severity is not Severity.INFO]
    if findings:
        worst = max(findings, key=lambda finding: (_GRAVITY[finding.severity], finding.probability))
        message = say("condition.healthy_no", count=len(findings), title=worst.title)
        return Condition(type="healthy", status="false", reason="Found", message=message)
    blind = sorted(
        b.source.value for b in diagnosis.blind if b.host == spec.name and b.source in _NEEDED_SOURCES
    )
    if blind:
        message = say("condition.healthy_unknown", sources=", ".join(blind))
        return Condition(type="healthy", status="unknown", reason="Blind", message=message)
    return Condition(type="healthy", status="true", reason="Quiet", message=say("condition.healthy_yes"))


def _schedulable(cordoned: bool) -> Condition:
    if cordoned:
        message = say("condition.schedulable_no")
        return Condition(type="schedulable", status="false", reason="Cordoned", message=message)
    message = say("condition.schedulable_yes")
    return Condition(type="schedulable", status="true", reason="Open", message=message)


def system_status(
    spec: SystemSpec, generation: int, observed: int, site: SiteView, probe: ProbeSummary
) -> SystemStatus:
    return SystemStatus(
        spec=spec,
        generation=generation,
        observed_generation=observed,
        vms=tuple(_vm_status(vm.name, site) for vm in spec.vms),
        conditions=(_serving(probe),),
        probe=probe,
    )


def _vm_status(vm: str, site: SiteView) -> VmStatus:
    """The liveliest sighting wins: while a VM moves its target knows it too, as paused, and after it
    the old host may still know the name.
    """
    sightings = [(seen.state, view.name) for view in site.seen for seen in view.vms if seen.name == vm]
    if not sightings:
        return VmStatus(name=vm, host=None, state=VmState.UNKNOWN)
    state, host = min(sightings, key=lambda sighting: _LIVELIEST_FIRST.index(sighting[0]))
    alive = state in (VmState.RUNNING, VmState.PAUSED)
    return VmStatus(name=vm, host=host if alive else None, state=state)


def _serving(probe: ProbeSummary) -> Condition:
    if probe.asked == 0:
        message = say("condition.serving_unknown")
        return Condition(type="serving", status="unknown", reason="NotAsked", message=message)
    if probe.lost:
        message = say("condition.serving_no", lost=probe.lost, asked=probe.asked)
        return Condition(type="serving", status="false", reason="Lost", message=message)
    message = say("condition.serving_yes", asked=probe.asked)
    return Condition(type="serving", status="true", reason="Answering", message=message)


def placement(site: SiteView, systems: Sequence[SystemSpec]) -> dict[str, str]:
    """vm → host for every VM seen running."""
    found = {vm.name: site.host_of(vm.name) for system in systems for vm in system.vms}
    return {vm: host for vm, host in found.items() if host is not None}
