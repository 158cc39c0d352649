"""One story as a report: from the first sign to the proof. Pure, given what the store holds."""

import hashlib
from collections.abc import Sequence

from shuishan.app.chronicle import joined_text
from shuishan.catalog.messages import say
from shuishan.model.finding import Diagnosis, Finding
from shuishan.model.plan import PlanState
from shuishan.model.proof import Pause, ProbeSummary, Verdict
from shuishan.model.status import PlanStatus, Report, SiteStatus
from shuishan.model.timeline import Entry, Room
from shuishan.model.word import Text


def first_sign_s(plan: PlanStatus, findings: Sequence[Finding], told: Sequence[Entry] = ()) -> float:
    """When the story of `plan` began: the first sign of what it answers.

    told: the timeline, oldest first. It knows the sign that came first; a finding's own evidence is
          renewed turn after turn, and only stands in where nothing was told.
    """
    signs = {
        entry.refs["finding"]: entry.at_s
        for entry in told
        if entry.room is Room.SENSE
        and entry.refs.get("finding") in plan.plan.because
        and entry.at_s <= plan.plan.at_s
    }
    evidence = [
        evidence.at_s
        for finding in findings
        if finding.id in plan.plan.because and finding.id not in signs
        for evidence in finding.evidence
    ]
    return min([plan.plan.at_s, *signs.values(), *evidence])


def told_of(subject: str, entries: Sequence[Entry], began_s: float) -> list[Entry]:
    """What belongs to the story of `subject`: all since its first sign, and what was broken before it.

    Of earlier entries only the last thing that the lab or a person did to the subject is told.
    """
    before = [
        entry
        for entry in entries
        if entry.at_s < began_s and entry.room in (Room.LAB, Room.PEOPLE) and entry.subject == subject
    ]
    causes = [entry for entry in before if entry.room is Room.LAB]
    return [*causes[-1:], *(entry for entry in entries if entry.at_s >= began_s)]


def witnessed(report: Report, probe: ProbeSummary) -> Report:
    """The report with what one more client saw, who stood outside the control plane."""
    probes = (*report.probes, probe)
    verdict = verdict_of(report.plans, report.diagnosis, report.pauses, probes)
    return sealed(report.model_copy(update={"probes": probes, "verdict": verdict}))


def sealed(report: Report) -> Report:
    """The report with the digest of its content."""
    digest = hashlib.sha256(report.model_dump_json(exclude={"digest"}).encode()).hexdigest()
    return report.model_copy(update={"digest": digest})


def report_of(
    site: SiteStatus,
    chosen: PlanStatus | None,
    related: Sequence[PlanStatus],
    entries: Sequence[Entry],
    began_s: float,
) -> Report:
    """The report of `chosen` and the plans of the same story, oldest first in `related`.

    began_s: when the story began; harmless signs from before it are left out
    """
    plans = tuple(related) if chosen is None or chosen in related else (*related, chosen)
    proofs = [status.proof for status in plans if status.proof is not None]
    pauses = tuple(pause for proof in proofs for pause in proof.pauses)
    probes = tuple(probe for proof in proofs for probe in proof.probes)
    after = {vm.name: vm.host for system in site.systems for vm in system.vms if vm.host is not None}
    report = Report(
        site=site.name,
        version=site.version,
        made_at_s=site.at_s,
        title=say("report.title", title=chosen.plan.title)
        if chosen
        else say("report.quiet_title", site=site.name),
        verdict=verdict_of(plans, site.diagnosis, pauses, probes),
        hosts=site.hosts,
        systems=site.systems,
        diagnosis=_since(site.diagnosis, began_s),
        plans=plans,
        pauses=pauses,
        probes=probes,
        timeline=tuple(sorted(entries, key=lambda entry: (entry.at_s, entry.seq))),
        placement_before={**after, **_sources(plans)},
        placement_after=after,
    )
    return sealed(report)


def _since(diagnosis: Diagnosis, began_s: float) -> Diagnosis:
    news = [one for one in diagnosis.dismissed if max(e.at_s for e in one.evidence) >= began_s]
    return diagnosis.model_copy(update={"dismissed": tuple(news)})


def _sources(plans: Sequence[PlanStatus]) -> dict[str, str]:
    """Where each VM was before the story: the source of its first move."""
    found: dict[str, str] = {}
    for status in plans:
        for step in status.plan.steps:
            if step.action == "vm.move":
                found.setdefault(step.params["vm"], step.params["source"])
    return found


def verdict_of(
    plans: Sequence[PlanStatus],
    diagnosis: Diagnosis,
    pauses: Sequence[Pause],
    probes: Sequence[ProbeSummary],
) -> Text:
    """The story in one sentence."""
    if not plans:
        return say("report.no_action", findings=len(diagnosis.findings), dismissed=len(diagnosis.dismissed))
    last = plans[-1]
    if last.state is PlanState.REFUSED and last.plan.misfits:
        misses = [
            say("app.misfit", vm=m.vm, needs=m.needs, miss=m.nearest_miss, help=m.would_help)
            for m in last.plan.misfits
        ]
        return say("report.misfit", text=joined_text(misses))
    if last.proof is None:
        return say("report.in_progress", title=last.plan.title)
    broken = [claim.text for claim in last.proof.claims if claim.verdict is Verdict.BROKEN]
    lost, asked = sum(probe.lost for probe in probes), sum(probe.asked for probe in probes)
    if broken:
        return say("report.broken", text=joined_text(broken))
    if last.proof.verdict is Verdict.UNKNOWN:
        unknown = [claim.text for claim in last.proof.claims if claim.verdict is Verdict.UNKNOWN]
        return say("report.open", text=joined_text(unknown))
    return say("report.all_held", moved=len({pause.vm for pause in pauses}), asked=asked, lost=lost)
