"""Speed and memory of `diagnose` on log lines, against Drain3 on the same file in the same run.

    python benchmarks/diagnose_lines.py [--lines 1000000] [--drain-lines 1000000]

Makes a kernel log of ordinary lines (numbers vary) with 0.1 % and with 5 % interesting ones, then reads it
with Shuishan (from bytes on disk to findings) and with Drain3 (to templates only). Each reader runs in a
process of its own, so that its peak memory is its own. Speed is lines per second of one core's time, so
that other work on the machine does not count against either.
"""

import argparse
import json
import platform
import random
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

SEED = 20260301


def main() -> None:
    options = _options()
    if options.reader:
        print(json.dumps(_read(options.reader, Path(options.file), options.lines)))
        return
    print(
        f"machine: {platform.processor() or platform.machine()}, {_cpu()}, Python {platform.python_version()}"
    )
    for share in (0.001, 0.05):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "kern.log"
            _write(path, options.lines, share)
            ours = _in_process("shuishan", path, options.lines)
            theirs = _in_process("drain3", path, options.drain_lines)
        ratio = ours["lines_per_s"] / theirs["lines_per_s"]
        print(
            f"{share:.1%} interesting, {options.lines} lines: "
            f"shuishan {ours['lines_per_s']:,.0f} lines/s (engine ready in {ours['ready_s']:.2f} s, "
            f"{ours['findings']:.0f} findings, peak {ours['peak_mib']:.0f} MiB); "
            f"Drain3 {theirs['lines_per_s']:,.0f} lines/s (peak {theirs['peak_mib']:.0f} MiB); "
            f"ratio {ratio:.1f}×, memory {ours['peak_mib'] / theirs['peak_mib']:.2f}×"
        )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument(
        "--drain-lines", type=int, default=1_000_000, help="lines Drain3 reads of the same file"
    )
    parser.add_argument("--reader", choices=("shuishan", "drain3"), help=argparse.SUPPRESS)
    parser.add_argument("--file", help=argparse.SUPPRESS)
    return parser.parse_args()


def _cpu() -> str:
    found = re.search(r"model name\s*:\s*(.*)", Path("/proc/cpuinfo").read_text())
    return found.group(1) if found else "unknown CPU"


def _write(path: Path, lines: int, share: float) -> None:
    """A log of `lines` lines; numbers in them vary, so that no two are quite the same."""
    from shuishan.catalog.loader import knowledge  # noqa: PLC0415 - the parent process needs no engine

    known = knowledge()
    ordinary = [line for line in known.ordinary if "kernel" not in line[:8]]
    telling = [e for issue in known.issues for e in issue.examples if "\n" not in e]
    draw = random.Random(SEED)
    with path.open("w", encoding="utf-8") as file:
        for i in range(lines):
            text = draw.choice(telling) if draw.random() < share else draw.choice(ordinary)
            text = re.sub(r"(?<![\w.])\d{3,9}(?![\w.])", lambda m: str(draw.randrange(10 ** len(m[0]))), text)
            file.write(f"Mar {1 + i // 200_000:2d} 08:{i // 60 % 60:02d}:{i % 60:02d} h1 kernel: {text}\n")


def _in_process(reader: str, path: Path, lines: int) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, __file__, "--reader", reader, "--file", str(path), "--lines", str(lines)],
        check=True,
        capture_output=True,
        text=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def _read(reader: str, path: Path, lines: int) -> dict[str, float]:
    measured = _shuishan(path, lines) if reader == "shuishan" else _drain3(path, lines)
    measured["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return measured


def _shuishan(path: Path, lines: int) -> dict[str, float]:
    from shuishan.app.offline import diagnose_files  # noqa: PLC0415 - only in the process that is measured
    from shuishan.catalog.loader import knowledge  # noqa: PLC0415 - only in the process that is measured
    from shuishan.diagnose.engine import Engine  # noqa: PLC0415 - only in the process that is measured

    begin_s = time.process_time()
    engine = Engine(knowledge())
    ready_s = time.process_time() - begin_s
    begin_s = time.process_time()
    incident = next(diagnose_files([path], engine=engine, now_s=0.0))
    spent_s = time.process_time() - begin_s
    return {"lines_per_s": lines / spent_s, "ready_s": ready_s, "findings": len(incident.diagnosis.findings)}


def _drain3(path: Path, lines: int) -> dict[str, float]:
    from drain3 import TemplateMiner  # noqa: PLC0415 - only in the process that is measured
    from drain3.masking import MaskingInstruction  # noqa: PLC0415 - only in the process that is measured
    from drain3.template_miner_config import TemplateMinerConfig  # noqa: PLC0415 - only in the process that is measured

    config = TemplateMinerConfig()
    config.masking_instructions = [
        MaskingInstruction(r"\b0x[0-9a-f]+\b", "HEX"),
        MaskingInstruction(r"\b[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.\d\b", "PCI"),
        MaskingInstruction(r"\b\d+\b", "NUM"),
    ]
    miner: Any = TemplateMiner(config=config)
    begin_s = time.process_time()
    with path.open(encoding="utf-8", errors="replace") as file:
        for number, line in enumerate(file):
            if number >= lines:
                break
            miner.add_log_message(line.rstrip())
    spent_s = time.process_time() - begin_s
    return {"lines_per_s": lines / spent_s, "findings": 0.0, "ready_s": 0.0}


if __name__ == "__main__":
    main()
