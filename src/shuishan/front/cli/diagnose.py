"""`shuishan diagnose FILE…`: what is wrong according to these files. No root, lab or server needed.

Exit codes: 0 the files were read and the answer is printed, whatever it says; 2 bad input.
"""

import json
import os
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text as RichText

from shuishan.app.offline import Incident, diagnose_files
from shuishan.catalog.loader import knowledge
from shuishan.catalog.messages import say
from shuishan.diagnose.engine import Engine
from shuishan.front.cli.main import language_of
from shuishan.model.finding import Dismissed, Evidence, Finding, Severity

_STYLE = {Severity.CRITICAL: "bold red", Severity.WARNING: "yellow", Severity.INFO: "cyan"}
_LINES_SHOWN = 6


def diagnose(
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="Logs, SMART reports, directories.")],
    as_json: Annotated[bool, typer.Option("--json", help="The answer as one JSON document.")] = False,
    each: Annotated[bool, typer.Option("--each", help="Every file is an incident of its own.")] = False,
    lang: Annotated[str | None, typer.Option("--lang", help="en or zh")] = None,
) -> None:
    """Say what is wrong according to kernel logs, journal JSON, smartctl output or a directory of them."""
    engine = Engine(knowledge())
    incidents = list(diagnose_files(files, engine=engine, now_s=time.time(), each=each))
    if as_json:
        typer.echo(json.dumps(answer(incidents), ensure_ascii=False, indent=2))
        return
    language = language_of(["--lang", lang] if lang else sys.argv[1:], os.environ)
    console = Console(highlight=False, soft_wrap=True)
    for incident in incidents:
        _show(console, incident, language)


def answer(incidents: Sequence[Incident]) -> dict[str, Any]:
    """The JSON document: findings, dismissed, silent (files with no finding) and skipped."""
    findings: list[dict[str, Any]] = []
    dismissed: list[dict[str, Any]] = []
    silent: list[str] = []
    skipped: list[dict[str, str]] = []
    for incident in incidents:
        named: set[str] = set()
        for finding in incident.diagnosis.findings:
            entry = _finding(finding, incident.sources)
            findings.append(entry)
            named.update(e.origin for e in finding.evidence)
        dismissed += [_dismissed(entry, incident.sources) for entry in incident.diagnosis.dismissed]
        silent += [source for source in incident.sources if source not in named]
        skipped += [{"source": s.source, "reason": s.reason} for s in incident.skipped]
    return {"findings": findings, "dismissed": dismissed, "silent": silent, "skipped": skipped}


def _finding(finding: Finding, sources: Sequence[str]) -> dict[str, Any]:
    return {
        "source": _source(finding.evidence, sources),
        "issue": finding.issue,
        "category": finding.category,
        "component": finding.component,
        "title": finding.title.model_dump(),
        "severity": finding.severity.value,
        "probability": finding.probability,
        "predicted": finding.predicted,
        "horizon_s": finding.horizon_s,
        "evacuate": finding.evacuate,
        "evidence": _lines(finding.evidence),
        "against": _lines(finding.against),
        "advice": finding.advice.model_dump(),
    }


def _dismissed(dismissed: Dismissed, sources: Sequence[str]) -> dict[str, Any]:
    return {
        "source": _source(dismissed.evidence, sources),
        "issue": dismissed.issue,
        "component": dismissed.component,
        "reason": dismissed.reason.model_dump(),
        "evidence": _lines(dismissed.evidence),
    }


def _source(evidence: Sequence[Evidence], sources: Sequence[str]) -> str:
    return next((e.origin for e in evidence if e.origin), sources[0] if sources else "")


def _lines(evidence: Iterable[Evidence]) -> list[str]:
    return [line for entry in evidence for line in entry.text.splitlines()]


def _show(console: Console, incident: Incident, lang: str) -> None:
    diagnosis = incident.diagnosis
    for finding in diagnosis.findings:
        _show_finding(console, finding, incident.sources, lang)
    if not diagnosis.findings:
        where = ", ".join(incident.sources[:3])
        console.print(RichText(f"{where}: {say('diagnose.no_finding').in_language(lang)}", style="green"))
    if diagnosis.dismissed:
        console.print(RichText(say("diagnose.left_alone").in_language(lang), style="dim"))
        for dismissed in diagnosis.dismissed[:_LINES_SHOWN]:
            first = next(iter(_lines(dismissed.evidence)), "")
            text = f"{dismissed.reason.in_language(lang)}  {first[:120]}"
            _put(console, RichText(text, style="dim"), 2)
    for skipped in incident.skipped:
        told = say("diagnose.skipped", file=skipped.source, reason=skipped.reason)
        console.print(RichText(told.in_language(lang), style="dim"))


def _show_finding(console: Console, finding: Finding, sources: Sequence[str], lang: str) -> None:
    head = RichText()
    head.append(f"{finding.severity.value:<9}", style=_STYLE[finding.severity])
    head.append(finding.title.in_language(lang), style="bold")
    if finding.component:
        head.append(f"  {finding.component}", style="bold cyan")
    head.append(f"  {finding.probability:.0%}")
    console.print(head)
    details = [f"{finding.issue}  ({_source(finding.evidence, sources)})"]
    if finding.horizon_s is not None:
        details.append(say("diagnose.horizon", span=span(finding.horizon_s, lang)).in_language(lang))
    details.append(f"{say('diagnose.evidence').in_language(lang)}:")
    for line in details:
        _put(console, RichText(line, style="dim"), 2)
    for line in _lines(finding.evidence)[:_LINES_SHOWN]:
        _put(console, RichText(line[:240]), 4)
    if finding.against:
        _put(console, f"{say('diagnose.against').in_language(lang)}:", 2)
        for line in _lines(finding.against)[:_LINES_SHOWN]:
            _put(console, RichText(line[:240]), 4)
    advice = f"{say('diagnose.advice').in_language(lang)}: {finding.advice.in_language(lang)}"
    _put(console, RichText(advice), 2)
    console.print()


def _put(console: Console, text: RichText | str, indent: int) -> None:
    console.print(RichText(" " * indent).append(text))


def span(duration_s: float, lang: str) -> str:
    """A duration in words, to the precision a forecast has."""
    units = ((86400.0, "days", "天"), (3600.0, "hours", "小时"), (60.0, "minutes", "分钟"))
    for size_s, en, zh in units:
        if duration_s >= size_s:
            return f"{duration_s / size_s:.0f} {zh if lang.startswith('zh') else en}"
    return f"{duration_s:.0f} s"
