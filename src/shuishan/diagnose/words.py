"""A line reduced to what it says: words that stay the same from machine to machine, and typed codes.

Times, host names, numbers, addresses and device names are what differs between two occurrences of one
event, so they are taken out; codes whose number *is* the meaning (Xid 79, MCA status) are kept as words.
"""

import re

TEXT_LIMIT = 4096  # characters of one line that are looked at; no printk is longer

_MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_DAY = r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_PREFIX = re.compile(
    r"^(?:"
    r"\s*<\d{1,3}>"
    r"|\s*(?:kern|user|daemon)\s*:\s*(?:emerg|alert|crit|err|warn|notice|info|debug)\s*:\s*"
    rf"|\s*\[\s*{_DAY} {_MONTH} [ \d]\d \d\d:\d\d:\d\d \d{{4}}\]"
    rf"|\s*\[?{_DAY} {_MONTH} +\d+ \d\d:\d\d:\d\d(?:\.\d+)?(?: \w+)? \d{{4}}\]?"
    r"|\s*\[\s*\d+\.\d+\](?:\[\s*[TC]?\d+\])?"
    r"|\s*\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?"
    rf"|\s*{_MONTH} +\d+ (?:\d{{4}} )?\d\d:\d\d:\d\d(?:\.\d+)?"
    r"|\s*(?P<host>[\w.-]+) (?=(?:kernel|systemd|smartd|multipathd|mcelog|rasdaemon|[\w./-]+\[\d+\]):)"
    r"|\s*kernel:"
    r"|\s*[\w.-]+ kernel:"
    r")"
)
_SPACE = re.compile(r"\s+")

# What differs from machine to machine. Order matters: the longer shape first.
_VARIABLE = re.compile(
    r"(?:\b[0-9a-f]{4}:)?\b[0-9a-f]{2}:[0-9a-f]{2}\.[0-9a-f]\b"  # PCI address
    r"|\b(?:[0-9a-f]{2}:){5,}[0-9a-f]{2}\b"  # MAC, WWN
    r"|\b(?:[0-9a-f]{1,4}:){2,}[0-9a-f:]*|\b[0-9a-f]{1,4}::[0-9a-f:]*"  # IPv6
    r"|\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"
    r"|\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b"
    r"|\b0x[0-9a-f]+\b"
    r"|\b(?:nvme\d+(?:c\d+)?(?:n\d+)?(?:p\d+)?|sd[a-z]{1,3}\d*|hd[a-z]\d*|x?vd[a-z]\d*|sr\d+|fd\d|mmcblk\d+(?:p\d+)?"
    r"|dm-\d+|md\d+(?:p\d+)?|loop\d+|ata\d+(?:\.\d\d)?|scsi\d+|host\d+|\d+:\d+:\d+:\d+"
    r"|(?:eth|eno|ens|enp|wlan|wlp|bond|br|veth|tap|vnet|docker|ib|vmnic)\d+[a-z0-9]*|ttys\d+|osd\.\d+)\b"
    r"|\b[0-9a-f]{12,}\b"
    r"|\b(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{6,}\b"
    r"|[-+]?\b\d[\d.,]*(?:[kmgt]i?b|ms|us|ns|s|v|w|c|rpm|%)?\b"
)
_WORD = re.compile(r"[^\W\d_]\w*")
_TOKEN = re.compile(r"i/o|[^\W\d_]+(?:_[^\W\d_]+)*")
_XID = re.compile(r"\bxid \([^)]*\): (\d+)")
_MCI_STATUS = re.compile(
    r"\bbank \d+: ([0-9a-f]{16})\b|\bmci?_?status[ =:]+(?:0x)?([0-9a-f]{16})\b|\bstatus ([0-9a-f]{16})\b"
)
_EMASK = re.compile(r"\bemask (0x[0-9a-f]+)")
_NVME_STATUS = re.compile(r"\bsct (0x[0-9a-f]+) */ *sc (0x[0-9a-f]+)")
_ORA = re.compile(r"\bora-(\d{4,5})\b")
_CPER_KIND = re.compile(r"\berror_type: (\d+), ([a-z-]+ [a-z]+)")
_RATIO = re.compile(r"\b(\d+) (?:out )?of (\d+)\b|\[(\d+)/(\d+)\] \[")
_NONE_LEFT = re.compile(r"\b(?:paths|devices|mirrors)[ :=]+0\b")
_SSTATUS = re.compile(r"\bsstatus ([0-9a-f]+)")
_UNIT = re.compile(r"\b\d[\d.]* ?(v|volts|rpm|cel|degrees c)\b")
_UNITS = {
    "v": "unit:volt",
    "volts": "unit:volt",
    "rpm": "unit:rpm",
    "cel": "unit:celsius",
    "degrees c": "unit:celsius",
}
_FAULTY_MEMBER = re.compile(r"\[\d+\]\(f\)")
_MEDIALESS = re.compile(r"\b(?:sr|fd|loop)\d+\b")
_DIGITS = re.compile(r"\d+$")
_SPEAKER = re.compile(r"^\s*([a-z][\w.-]*)(?: ?\(\w+\))?[: ]+(?=\x00)")

_STOP_WORDS = """
the a an is are was were be been to of on in at for from by with and or has have had it its this that as if
will can x0 but via due using up
"""
STOP_WORDS = frozenset(_STOP_WORDS.split())


def strip_prefix(text: str) -> str:
    """The message without time, priority, host and `kernel:`."""
    for _ in range(6):
        found = _PREFIX.match(text)
        if found is None or found.end() == 0:
            break
        text = text[found.end() :]
    return text.strip()


def template(message: str) -> str:
    """A message with its numbers cut: equal for most repetitions of one event."""
    return re.sub(r"\d+", "0", message)


def said(message: str) -> tuple[str, ...]:
    """The words of `message` (one line or a whole record, without prefix), in order; its codes at the end.

    The word that only names the speaker (a driver before a device) carries an "@".
    """
    lowered = message[: TEXT_LIMIT * 4].lower().replace("i/o", " io ").replace("\x00", " ")
    masked = _VARIABLE.sub(" \x00 ", lowered)
    words: list[str] = []
    for found in _WORD.finditer(masked):
        words += _parts(found.group())
    speaker = _SPEAKER.match(masked)
    if speaker is not None and len(words) > 2 and speaker.group(1).startswith(words[0]):
        words[0] = "@" + words[0]
    return (*words, *_codes(lowered))


def phrases(message: str) -> list[tuple[str, tuple[str, ...]]]:
    """Runs of two or three words as they stand in `message`, in lower case, with the words they hold.

    No run reaches over anything that differs from machine to machine, so each can be searched for as it
    is. Single words are given where a message has no longer run.
    """
    runs: list[tuple[str, tuple[str, ...]]] = []
    single: list[tuple[str, tuple[str, ...]]] = []
    for segment in _VARIABLE.sub("\n", message.lower()).split("\n"):
        stretch: list[re.Match[str]] = []
        for token in _TOKEN.finditer(segment):
            stretch.append(token)
            if segment[token.end() : token.end() + 1].isdigit():
                runs += _runs(segment, stretch)
                stretch = []
            single.append((token.group(), _parts(token.group())))
        runs += _runs(segment, stretch)
    return runs or [one for one in single if len(one[0]) >= 5 and one[0] not in STOP_WORDS]


def _runs(segment: str, tokens: list[re.Match[str]]) -> list[tuple[str, tuple[str, ...]]]:
    found: list[tuple[str, tuple[str, ...]]] = []
    for i in range(len(tokens) - 1):
        for last in tokens[i + 1 : i + 3]:
            raw = segment[tokens[i].start() : last.end()]
            words = tuple(word for token in tokens[i : i + 3] for word in _parts(token.group()))
            telling = sum(word not in STOP_WORDS for word in _parts(raw.replace(" ", "_")))
            if telling >= 2 and "  " not in raw:
                found.append((raw, words))
    return found


def _parts(token: str) -> tuple[str, ...]:
    """The words of one token, as `said` counts them."""
    found = (_DIGITS.sub("", part) for part in re.split(r"[\W_]+", token.replace("i/o", "io")))
    return tuple(part for part in found if len(part) >= 2)


def _codes(text: str) -> list[str]:
    """Typed codes in a line, as words with a colon in them."""
    found = [f"xid:{m.group(1)}" for m in _XID.finditer(text)]
    found += [f"emask:{m.group(1)}" for m in _EMASK.finditer(text)]
    found += [f"nvme:{m.group(1)}/{m.group(2)}" for m in _NVME_STATUS.finditer(text)]
    found += [f"ora:{m.group(1)}" for m in _ORA.finditer(text)]
    found += [f"cper:{m.group(2)}" for m in _CPER_KIND.finditer(text)]
    found += [f"link:{m.group(1)}" for m in _SSTATUS.finditer(text)]
    found += sorted({_UNITS[m.group(1)] for m in _UNIT.finditer(text)})
    found += ["flag:faulty"] * bool(_FAULTY_MEMBER.search(text))
    found += ["dev:medialess"] * bool(_MEDIALESS.search(text)) + ["left:none"] * bool(_NONE_LEFT.search(text))
    for m in _RATIO.finditer(text):
        have, want = (m.group(1), m.group(2)) if m.group(1) else (m.group(4), m.group(3))
        found.append("ratio:whole" if have == want else "ratio:short")
    for m in _MCI_STATUS.finditer(text):
        found += mca_words(int(m.group(1) or m.group(2) or m.group(3), 16))
    return found


def mca_words(status: int) -> list[str]:
    """What a machine-check status register says: corrected or not, and which unit.

    Source: Intel SDM volume 3B, chapter "Interpreting machine-check error codes" (compound codes), and
    the layout of IA32_MCi_STATUS: bit 63 valid, 61 uncorrected, 57 processor context corrupt.
    """
    if not status >> 63 & 1:
        return []
    code = status & 0xEFFF  # bit 12 says that corrected errors were filtered, not what they are
    if 0x0080 <= code <= 0x00FF:
        unit = "memory"
    elif 0x0010 <= code <= 0x001F:
        unit = "tlb"
    elif 0x0100 <= code <= 0x01FF:
        unit = "cache"
    elif 0x0800 <= code <= 0x0FFF:
        unit = "bus"
    else:
        unit = "internal"
    weight = "uncorrected" if status >> 61 & 1 else "corrected"
    return [f"mca:{unit}:{weight}"]
