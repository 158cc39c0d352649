"""Diagnosis of real excerpts: how often it speaks, and how often that is right, per source.

    python benchmarks/diagnose_field.py [DATA] [--verbose]

DATA holds public data sets that are not part of this repository (default ../shared/data). A source that
is absent is skipped with a message. Truth is what each source says of itself, see each function.
"""

import gzip
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import sqrt
from pathlib import Path
from typing import Any, cast

from shuishan.app.offline import diagnose_files
from shuishan.catalog.loader import knowledge
from shuishan.diagnose.engine import Engine
from shuishan.model.errors import ShuishanError
from shuishan.model.finding import Finding

DISK = "disk."


@dataclass(slots=True)
class Score:
    """right, wrong: answers; silent: no answer; among cases with a fault and among healthy ones."""

    right: int = 0
    wrong: int = 0
    silent: int = 0
    healthy: int = 0
    false_alarms: int = 0
    named: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)


def main() -> None:
    arguments = [word for word in sys.argv[1:] if not word.startswith("--")]
    data = Path(arguments[0] if arguments else "../shared/data")
    engine = Engine(knowledge())
    sources = {
        "syzkaller kernel reports": _syzkaller,
        "linuxhw smartctl reports": _linuxhw,
        "smartctl JSON": _smartctl_json,
        "loghub quiet lines": _loghub,
        "mcelog and gpud": _small,
    }
    for name, evaluate in sources.items():
        try:
            score = evaluate(engine, data)
        except FileNotFoundError as absent:
            print(f"{name:<26} skipped: {absent.filename} is absent")
            continue
        print(f"{name:<26} {_told(score)}")
        print(f"{'':<26} {dict(score.named.most_common(12))}")
        if "--verbose" in sys.argv:
            print("\n".join(score.notes[:400]))


def _told(score: Score) -> str:
    answered = score.right + score.wrong
    parts: list[str] = []
    if answered + score.silent:
        low, high = _interval(score.right, answered)
        parts.append(
            f"faulty {answered + score.silent}: answered {answered}, right {score.right}"
            f" = {score.right / max(1, answered):.1%} [{low:.1%}, {high:.1%}]"
        )
    if score.healthy:
        low, high = _interval(score.false_alarms, score.healthy)
        parts.append(
            f"healthy {score.healthy}: false alarms {score.false_alarms}"
            f" = {score.false_alarms / score.healthy:.2%} [{low:.2%}, {high:.2%}]"
        )
    return "; ".join(parts)


def _interval(hits: int, of: int) -> tuple[float, float]:
    """Wilson 95 % interval."""
    if of == 0:
        return 0.0, 1.0
    z, p = 1.96, hits / of
    middle = (p + z * z / (2 * of)) / (1 + z * z / of)
    half = z * sqrt(p * (1 - p) / of + z * z / (4 * of * of)) / (1 + z * z / of)
    return max(0.0, middle - half), min(1.0, middle + half)


def _findings(engine: Engine, text: str | bytes) -> tuple[Finding, ...]:
    with tempfile.NamedTemporaryFile(suffix=".txt") as file:
        file.write(text.encode("utf-8", "replace") if isinstance(text, str) else text)
        file.flush()
        try:
            incident = next(diagnose_files([Path(file.name)], engine=engine, now_s=0.0))
        except ShuishanError:
            return ()
        return incident.diagnosis.findings


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8", errors="replace") as file:
        for line in file:
            yield cast(dict[str, Any], json.loads(line))


def _count(score: Score, findings: tuple[Finding, ...], right: bool, note: str) -> None:
    score.named.update({f.issue for f in findings})
    if not findings:
        score.silent += 1
        score.notes.append(f"  silent {note}")
    elif right:
        score.right += 1
    else:
        score.wrong += 1
        score.notes.append(f"  wrong  {note}: {[f.issue for f in findings]}")


def _syzkaller(engine: Engine, data: Path) -> Score:
    """Truth: the report's type. A hang must be a lockup or hung task; memory safety, BUG … an oops."""
    score = Score()
    families = {
        "HANG": {"kernel.hung_task", "kernel.lockup"},
        "UNEXPECTED_REBOOT": {"kernel.oops"},
        "OOM": {"kernel.out_of_memory"},
    }
    kernel = {
        "kernel.warning",
        "kernel.oops",
        "kernel.lockup",
        "kernel.hung_task",
        "kernel.out_of_memory",
        "memory.uncorrectable",
    }
    for row in _rows(data / "syzkaller_kernel_reports/linux_reports.jsonl.gz"):
        findings = _findings(engine, row["log"])
        title = str(row.get("title") or "")
        if not title:
            score.healthy += 1
            score.false_alarms += bool(findings)
            continue
        right = bool({f.issue for f in findings} & families.get(str(row["type"]), kernel))
        _count(score, findings, right, f"{row['type']} {title}")
    return score


def _linuxhw(engine: Engine, data: Path) -> Score:
    """Truth: FAILED self-assessment or failing attribute → a disk issue; classes without errors → silence."""
    score = Score()
    for row in _rows(data / "linuxhw_enterprise_drives/reports_sample.jsonl.gz"):
        findings = _findings(engine, row["report"])
        if row["cls"] == "clean":
            score.healthy += 1
            score.false_alarms += bool(findings)
            if findings:
                score.notes.append(
                    f"  alarm  {row['path']}: {[(f.issue, f.evidence[0].text) for f in findings]}"
                )
        else:
            right = any(f.issue.startswith(DISK) for f in findings)
            _count(score, findings, right, f"{row['cls']} {row['path']}")
    return score


def _smartctl_json(engine: Engine, data: Path) -> Score:
    """Truth: a document whose own verdict is failed must be named; others are counted as they come."""
    score = Score()
    for path in sorted((data / "smartctl_json").rglob("*.json.gz")):
        raw = gzip.decompress(path.read_bytes())
        findings = _findings(engine, raw)
        try:
            status: object = json.loads(raw).get("smart_status", {}).get("passed")
        except (ValueError, AttributeError):
            continue
        if status is False:
            _count(score, findings, any(f.issue.startswith(DISK) for f in findings), path.name)
        elif status is True:
            score.healthy += 1
            score.false_alarms += bool(findings)
            if findings:
                score.notes.append(
                    f"  speaks {path.name}: {[(f.issue, f.evidence[0].text) for f in findings]}"
                )
    return score


def _loghub(engine: Engine, data: Path) -> Score:
    """Truth: lines labelled "-" (BGL, Thunderbird), and files of ordinary service, taken 50 lines a case."""
    score = Score()
    root = data / "loghub"
    quiet: dict[str, list[str]] = {}
    for name in ("BGL", "Thunderbird"):
        lines = _log(root / name / f"{name}_2k.log.gz")
        quiet[name] = [line.partition(" ")[2] for line in lines if line.startswith("- ")]
    for name in ("OpenSSH", "Apache", "Zookeeper", "Hadoop", "Spark", "HDFS", "Mac", "OpenStack", "Linux"):
        quiet[name] = _log(root / name / f"{name}_2k.log.gz")
    for name, lines in quiet.items():
        for i in range(0, len(lines), 50):
            findings = _findings(engine, "\n".join(lines[i : i + 50]))
            score.healthy += 1
            score.false_alarms += bool(findings)
            score.named.update({f.issue for f in findings})
            score.notes += [f"  alarm  {name}: {f.issue} {f.evidence[0].text[:150]}" for f in findings]
    return score


def _log(path: Path) -> list[str]:
    with gzip.open(path, "rt", encoding="utf-8", errors="replace") as file:
        return file.read().splitlines()


def _small(engine: Engine, data: Path) -> Score:
    """No labels: what is said is shown, to be read by a person."""
    score = Score()
    paths = [
        *sorted((data / "gpud_kmsg_tests").glob("*.gz")),
        *sorted((data / "mcelog_tests/input").glob("*")),
    ]
    if not paths:
        raise FileNotFoundError(2, "absent", str(data / "gpud_kmsg_tests"))
    for path in paths:
        raw = path.read_bytes()
        findings = _findings(engine, gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw)
        score.named.update({f.issue for f in findings})
        score.notes.append(f"  {path.name[-40:]}: {[(f.issue, f.component) for f in findings]}")
    return score


if __name__ == "__main__":
    main()
