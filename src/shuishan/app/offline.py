"""Diagnosis of files: any log, SMART report or directory of them, without host, lab or server.

Reads block by block, so that a file's size does not matter; recognises what a file is by its content.
"""

import gzip
import json
import stat
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, cast

from shuishan.app.smart_text import MARKERS, translate
from shuishan.diagnose.engine import Case, Engine
from shuishan.diagnose.stamps import moment_s
from shuishan.model.errors import BadInput, ShuishanError
from shuishan.model.finding import Diagnosis
from shuishan.model.signal import Source, Unknown
from shuishan.model.word import Word
from shuishan.sense.kernel_log import parse_journal_json_line
from shuishan.sense.smart import parse_smartctl

BLOCK_BYTES = 4 * 1024 * 1024
DOCUMENT_BYTES_MOST = 32 * 1024 * 1024  # of one JSON document
LINE_BYTES_MOST = 16 * 1024  # a longer line is cut
FILES_MOST = 100_000
_PROBE_BYTES = 64 * 1024
_BINARY_SHARE = 0.10  # more control bytes than this is no text
_TEXT = bytes({7, 8, 9, 10, 12, 13, 27} | set(range(0x20, 0x100)) - {0x7F})
_HIGH = bytes(range(0x80, 0x100))


class Skipped(Word):
    """A file of a directory that could not be read, and why."""

    source: str
    reason: str


class Incident(Word):
    """What a body of files said. sources: the files; silent: those with nothing wrong."""

    sources: tuple[str, ...]
    diagnosis: Diagnosis
    skipped: tuple[Skipped, ...] = ()


def diagnose_files(
    paths: Iterable[Path], *, engine: Engine, now_s: float, each: bool = False
) -> Iterator[Incident]:
    """One incident of all files, or with `each` one per file; files of directories come in name order.

    Raises BadInput when a named file does not exist, cannot be read, or is neither text nor a known
    format. A file found in a directory that cannot be used is skipped and told.
    """
    files = list(_files(paths))
    if not files:
        raise BadInput("nothing to diagnose: no file given", subject="diagnose")
    if each:
        for path, named in files:
            yield _incident([(path, named)], engine, now_s)
    else:
        yield _incident(files, engine, now_s)


def _incident(files: list[tuple[Path, bool]], engine: Engine, now_s: float) -> Incident:
    case = engine.open()
    skipped: list[Skipped] = []
    sources: list[str] = []
    for path, named in files:
        try:
            _feed(case, path)
        except ShuishanError as error:
            if named:
                raise
            skipped.append(Skipped(source=str(path), reason=error.message))
            continue
        sources.append(str(path))
    return Incident(sources=tuple(sources), diagnosis=case.close(now_s), skipped=tuple(skipped))


def _files(paths: Iterable[Path]) -> Iterator[tuple[Path, bool]]:
    """Files, and whether a person named them (else: found in a directory)."""
    count = 0
    for path in paths:
        if not path.exists():
            raise BadInput(f"{path}: does not exist", subject=f"file/{path}")
        found = (
            [(child, False) for child in sorted(path.rglob("*")) if _plain(child)]
            if path.is_dir()
            else [(path, True)]
        )
        count += len(found)
        if count > FILES_MOST:
            raise BadInput(f"{path}: more than {FILES_MOST} files; give fewer", subject=f"file/{path}")
        yield from found


def _plain(path: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.parts if part not in {".", ".."})
    return not hidden and path.is_file()


def _feed(case: Case, path: Path) -> None:
    try:
        # A named pipe or a device may never end, and is read as it comes; only directories are refused.
        with _opened(path) as stream:
            _feed_stream(case, str(path), stream)
    except (OSError, EOFError, zlib.error) as cause:
        reason = cause.strerror if isinstance(cause, OSError) and cause.strerror else str(cause)
        raise BadInput(f"{path}: cannot be read: {reason}", subject=f"file/{path}") from cause


def _opened(path: Path) -> BinaryIO:
    stream = path.open("rb")
    if not stat.S_ISREG(path.stat().st_mode):
        return stream
    magic = stream.read(2)
    stream.seek(0)
    if magic == b"\x1f\x8b":
        stream.close()
        return cast(BinaryIO, gzip.open(path, "rb"))
    return stream


def _feed_stream(case: Case, origin: str, stream: BinaryIO) -> None:
    head = stream.read(_PROBE_BYTES)
    if _binary(head):
        raise BadInput(
            f"{origin}: is not text (binary data); give a log, `journalctl -o json` or `smartctl -j` output",
            subject=f"file/{origin}",
        )
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if start[:1] in (b"{", b"["):
        if b'"smartctl"' in head or b'"ata_smart' in head or b'"nvme_smart' in head:
            _feed_smart_json(case, origin, head, stream)
            return
        if b'"MESSAGE"' in head or b'"__REALTIME_TIMESTAMP"' in head:
            _feed_journal(case, origin, head, stream)
            return
    first = head + stream.read(BLOCK_BYTES - len(head))
    if len(first) < BLOCK_BYTES and any(marker in first for marker in MARKERS):
        first = _feed_smart_text(case, origin, first)
    _feed_blocks(case, origin, first, stream)


def _binary(block: bytes) -> bool:
    """Control bytes are no text; high bytes may be any encoding of it, unless nearly all are high."""
    if not block:
        return False
    control = len(block.translate(None, delete=_TEXT))
    high = len(block) - len(block.translate(None, delete=_HIGH))
    unbroken = b"\n" not in block and len(block) > LINE_BYTES_MOST
    return control > _BINARY_SHARE * len(block) or (unbroken and high > 0.3 * len(block))


def _feed_smart_json(case: Case, origin: str, head: bytes, stream: BinaryIO) -> None:
    data = head + stream.read(DOCUMENT_BYTES_MOST)
    if len(data) > DOCUMENT_BYTES_MOST:
        raise BadInput(
            f"{origin}: a SMART document of more than {DOCUMENT_BYTES_MOST} bytes", subject=f"file/{origin}"
        )
    text = data.decode("utf-8", errors="replace")
    signals = parse_smartctl(text, host="", at_s=0.0, origin=origin)
    if all(isinstance(signal, Unknown) for signal in signals):
        reason = next((s.reason for s in signals if isinstance(s, Unknown)), "no disk in it")
        raise BadInput(f"{origin}: {reason}", subject=f"file/{origin}")
    for signal in signals:
        case.feed(signal)


def _feed_smart_text(case: Case, origin: str, data: bytes) -> bytes:
    """Feed the SMART values in a text; returns the lines that are not SMART."""
    document, rest = translate(data.decode("utf-8", errors="replace"))
    if document is None:
        return data
    for signal in parse_smartctl(json.dumps(document), host="", at_s=0.0, origin=origin):
        case.feed(signal)
    # A report's tables of past commands and errors are history; lines with a stamp are a log beside it.
    logged = [line for line in rest.splitlines() if moment_s(line) is not None or "kernel:" in line]
    kept = logged if b"=== START OF" in data else rest.splitlines()
    return "\n".join(kept).encode("utf-8", errors="replace")


def _feed_journal(case: Case, origin: str, head: bytes, stream: BinaryIO) -> None:
    understood = seen = 0
    for block in _blocks(head, stream):
        for line in block.splitlines():
            if not line.strip():
                continue
            seen += 1
            parsed = parse_journal_json_line(line.decode("utf-8", errors="replace"), host="", origin=origin)
            if parsed is not None:
                understood += 1
                case.feed(parsed)
    if seen and not understood:
        raise BadInput(f"{origin}: JSON that is not journalctl's", subject=f"file/{origin}")


def _feed_blocks(case: Case, origin: str, head: bytes, stream: BinaryIO) -> None:
    for block in _blocks(head, stream):
        case.feed_block("", Source.KERNEL_LOG, origin, 0.0, block)


def _blocks(head: bytes, stream: BinaryIO) -> Iterator[bytes]:
    """The stream in blocks of whole lines; a line longer than LINE_BYTES_MOST at a block's end is cut."""
    carry = b""
    block = head
    inside_cut_line = False
    while block:
        if inside_cut_line:
            end = block.find(b"\n")
            if end < 0:
                block = stream.read(BLOCK_BYTES)
                continue
            block, inside_cut_line = block[end + 1 :], False
        data = carry + block
        last = data.rfind(b"\n") + 1
        whole, carry = data[:last], data[last:]
        if len(carry) > LINE_BYTES_MOST:
            whole, carry, inside_cut_line = whole + carry[:LINE_BYTES_MOST] + b"\n", b"", True
        if whole:
            yield whole
        block = stream.read(BLOCK_BYTES)
    if carry:
        yield carry
