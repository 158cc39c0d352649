"""Writes the timeline: what each room did, in sentences, once.

The loop says the same thing turn after turn; the chronicle tells only what is new since last time, and
remembers across restarts what it told.
"""

import hashlib
from collections.abc import Iterable

from shuishan.app.store import Store
from shuishan.catalog.durations import in_words
from shuishan.catalog.messages import say
from shuishan.model.clock import Clock
from shuishan.model.finding import Blind, Diagnosis, Finding
from shuishan.model.plan import Consent, Held, Plan, PlanState, Receipt, Step, StepState
from shuishan.model.proof import Proof, Verdict
from shuishan.model.site import HostState, HostView
from shuishan.model.timeline import Entry, Room
from shuishan.model.word import Text

_EVIDENCE_CHARS = 200


class Chronicle:
    """Also the journal of the act room: every receipt is stored and told."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        # Of the first start ever: what was harmless before it is not worth a line for each host's boot.
        store.mark_once("chronicle/since_s", str(clock.now_s()))
        self._since_s = float(store.marked("chronicle/since_s") or 0)

    def tell(self, room: Room, subject: str, text: Text, *, at_s: float | None = None, **refs: str) -> Entry:
        moment_s = self._clock.now_s() if at_s is None else at_s
        return self._store.add_entry(Entry(at_s=moment_s, room=room, subject=subject, text=text, refs=refs))

    # sense and diagnose

    def hosts(self, views: Iterable[HostView]) -> None:
        for view in views:
            answering = view.state is HostState.ANSWERING
            if self._store.mark(f"host/{view.name}/answers", str(answering)):
                text = (
                    say("app.host_answers", host=view.name)
                    if answering
                    else say("app.host_silent", host=view.name, reason=view.reason)
                )
                self.tell(Room.SENSE, f"host/{view.name}", text)

    def diagnosis(self, diagnosis: Diagnosis) -> None:
        new, gone = self._store.update_findings(diagnosis.findings, diagnosis.at_s)
        for finding in new:
            self._found(finding, diagnosis.at_s)
        for finding in gone:
            text = say("app.gone", title=finding.title, host=finding.host, component=finding.component)
            self.tell(Room.DIAGNOSE, _subject(finding), text, finding=finding.id)
        for dismissed in diagnosis.dismissed:
            if max(evidence.at_s for evidence in dismissed.evidence) < self._since_s:
                continue  # history from before we came: true, but no news
            subject = f"host/{dismissed.host}/{dismissed.component}"
            if self._store.mark(f"dismissed/{subject}/{dismissed.issue}", dismissed.issue):
                reason = dismissed.reason
                text = say("app.dismissed", host=dismissed.host, component=dismissed.component, reason=reason)
                self.tell(Room.DIAGNOSE, subject, text)

    def blind(self, host: str, now_blind: Iterable[Blind]) -> None:
        """Tell which senses of `host` went silent or came back."""
        silent = {blind.source.value: blind for blind in now_blind}
        before = self._remembered(f"blind/{host}", ",".join(sorted(silent)))
        if before is None:
            return
        for name in sorted(set(silent) - before):
            text = say("app.blind", host=host, source=name, reason=silent[name].reason)
            self.tell(Room.SENSE, f"host/{host}", text)
        for name in sorted(before - set(silent)):
            self.tell(Room.SENSE, f"host/{host}", say("app.sees_again", host=host, source=name))

    def told_anew(self, host: str) -> None:
        """After a repair the same sign, the same reason to wait and the same lack of room are news again."""
        self._store.unmark(f"dismissed/host/{host}/")
        self._store.unmark(f"held/{host}/")
        self._store.mark(f"misfit/host/{host}", "")

    def _remembered(self, subject: str, value: str) -> set[str] | None:
        """What was told last about `subject`; None when nothing changed."""
        before = self._store.marked(subject) or ""
        if not self._store.mark(subject, value):
            return None
        return {part for part in before.split(",") if part}

    def _found(self, finding: Finding, at_s: float) -> None:
        subject = _subject(finding)
        if finding.evidence:
            first = min(finding.evidence, key=lambda evidence: evidence.at_s)
            line = first.text[:_EVIDENCE_CHARS]
            text = say("app.first_sign", host=finding.host, component=finding.component, line=line)
            self.tell(Room.SENSE, subject, text, at_s=min(first.at_s, at_s), finding=finding.id)
        fields = {
            "title": finding.title,
            "host": finding.host,
            "component": finding.component,
            "percent": round(finding.probability * 100),
        }
        if finding.horizon_s is None:
            text = say("app.found_now", **fields)
        else:
            text = say("app.found_ahead", **fields, horizon=in_words(finding.horizon_s))
        self.tell(Room.DIAGNOSE, subject, text, at_s=at_s, finding=finding.id)

    # decide

    def planned(self, plan: Plan) -> None:
        title = plan.title
        if not plan.fits:
            misfits = [
                say("app.misfit", vm=m.vm, needs=m.needs, miss=m.nearest_miss, help=m.would_help)
                for m in plan.misfits
            ]
            joined = joined_text(misfits)
            text = say("app.does_not_fit", plan=plan.id, misfits=joined)
            self.tell(Room.DECIDE, plan.subject, text, plan=plan.id)
            return
        text = say("app.planned", plan=plan.id, title=title, count=len(plan.steps))
        self.tell(Room.DECIDE, plan.subject, text, plan=plan.id)
        for step in plan.steps:
            text = say("app.planned_step", number=step.id, text=step.text)
            self.tell(Room.DECIDE, plan.subject, text, plan=plan.id, step=step.id)
        for order in plan.orders:
            self.tell(Room.DECIDE, plan.subject, say("app.order", text=order), plan=plan.id)
        if plan.consent is Consent.OPERATOR:
            self.tell(Room.DECIDE, plan.subject, say("app.waits_for_consent", plan=plan.id), plan=plan.id)

    def held(self, held: Held, finding: Finding) -> None:
        if self._store.mark(f"held/{held.finding}", hashlib.sha256(held.reason.en.encode()).hexdigest()):
            name = finding.title
            text = say("app.held", finding=name, reason=held.reason)
            self.tell(Room.DECIDE, _subject(finding), text, finding=finding.id)

    # act: implements act.perform.Journal

    def read(self, plan: str, step: str) -> Receipt | None:
        return self._store.receipt(plan, step)

    def write(self, receipt: Receipt, step: Step) -> None:
        before = self._store.receipt(receipt.plan, receipt.step)
        self._store.put_receipt(receipt)
        if before is not None and before.state is receipt.state:
            return  # begun again after a crash: told already
        subject = f"{step.action.split('.')[0]}/{step.params.get(step.action.split('.')[0], '')}"
        self.tell(Room.ACT, subject, _step_text(receipt, step), plan=receipt.plan, step=receipt.step)

    def ended(self, plan: Plan, state: PlanState) -> None:
        messages = {PlanState.DONE: "app.plan_done", PlanState.UNWOUND: "app.plan_unwound"}
        text = say(messages.get(state, "app.plan_stuck"), plan=plan.id)
        self.tell(Room.ACT, plan.subject, text, plan=plan.id)

    # prove

    def proved(self, proof: Proof) -> None:
        for claim in proof.claims:
            verdict = verdict_text(claim.verdict)
            text = say("app.proved", verdict=verdict, text=claim.text)
            self.tell(Room.PROVE, claim.subject, text, plan=proof.plan)


def verdict_text(verdict: Verdict) -> Text:
    match verdict:
        case Verdict.HELD:
            return say("app.verdict_held")
        case Verdict.BROKEN:
            return say("app.verdict_broken")
        case Verdict.UNKNOWN:
            return say("app.verdict_unknown")


def joined_text(texts: Iterable[Text]) -> Text:
    parts = list(texts)
    return Text(en=" ".join(text.en for text in parts), zh="".join(text.zh for text in parts))


def _subject(finding: Finding) -> str:
    return f"host/{finding.host}/{finding.component}"


def _step_text(receipt: Receipt, step: Step) -> Text:
    started_s, ended_s = receipt.started_at_s, receipt.ended_at_s
    took_s = f"{ended_s - started_s:.1f}" if started_s is not None and ended_s is not None else "?"
    match receipt.state:
        case StepState.PENDING | StepState.STARTED:
            return say("app.step_started", number=step.id, text=step.text)
        case StepState.DONE:
            pause_ms = receipt.measured.get("downtime_ms")
            if pause_ms is None:
                return say("app.step_done", number=step.id, took_s=took_s, text=step.text)
            pause = f"{pause_ms:.0f}"
            return say("app.step_done_pause", number=step.id, took_s=took_s, pause_ms=pause, text=step.text)
        case StepState.FAILED:
            return say("app.step_failed", number=step.id, note=receipt.note)
        case StepState.UNDONE:
            return say("app.step_undone", number=step.id, text=step.undo_text or step.text)
        case StepState.STUCK:
            return say("app.step_stuck", number=step.id, note=receipt.note)
