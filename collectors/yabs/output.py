"""What YABS says, as text or as JSON: one set of values for both.

Facts of the script (masonr/yet-another-bench-script, ``yabs.sh``): fio's terse output gives KiB/s.
The JSON calls them KBps. So did the text, of which a thousand were MB/s, up to 2025 at least; that
of v2026-07-24 has MB/s of 10^6 bytes. Its text cuts digits off and rounds none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from msgspec import Struct, field

from collectors.fio.jobs import stamp
from collectors.fio.readers.runs import holds
from sitegen.collect import decode
from sitegen.collect.decode import Number, Text, Whole
from sitegen.collect.text import plain
from sitegen.errors import SitegenError
from sitegen.model import Fact

_KIB = 1024.0
_SPEEDS = {"KB/s": 1e3, "MB/s": 1e6, "GB/s": 1e9}
#: The last version that is known to print KiB/s as KB/s, and the first that does not.
_OF_1024, _OF_1000 = "2025-04-20", "2026-07-24"
#: Of a rate, against its count over a time that fio knows to the millisecond.
RATE_SLACK = 0.002
_SIZES = {"k": 1 << 10, "m": 1 << 20}
_RATES = {"bits/sec": 1 / 8, "Kbits/sec": 125.0, "Mbits/sec": 125e3, "Gbits/sec": 125e6}
_MEMORY = {"KiB": 2.0**-20, "MiB": 2.0**-10, "GiB": 1.0, "TiB": 1024.0}
_MEMORY |= {"KB": 2.0**-20, "MB": 2.0**-10, "GB": 1.0, "TB": 1024.0}
_CONTAINERS = frozenset({"lxc", "docker", "openvz", "podman", "lxc-libvirt", "systemd-nspawn"})

_DOCUMENT = re.compile(r'\{\s{0,8}"version"\s{0,8}:\s{0,8}"v20\d\d-\d\d-\d\d"')
_SIGNS = re.compile(
    r"(?m)^[ \t]{0,40}(?:Read|Single Core)[ \t]{1,40}\|[ \t]{1,40}\d"
    r"|^[ \t]{0,40}iperf3 Network Speed Tests \(IPv[46]\):"
)
_BANNER = "Yet-Another-Bench-Script"
_FIO = re.compile(r"fio Disk Speed Tests \(Mixed R/W 50/50\)")
_IPERF = re.compile(r"iperf3 Network Speed Tests \(IPv([46])\):")
_GEEKBENCH = re.compile(r"Geekbench ([4-9]) Benchmark Test:")
_HEADER = re.compile(r"[ \t]{0,40}Block Size[ \t]{0,40}\|(.{1,200})")
_BLOCK = re.compile(r"(\d{1,6})([km])[ \t]{1,40}\(IOPS\)")
_ROW = re.compile(r"[ \t]{0,40}(Read|Write|Total)[ \t]{1,40}\|(.{1,200})")
_CELL = re.compile(
    r"(\d{1,9}\.\d{1,4}) ([KMG]B/s)[ \t]{1,40}\((\d{1,9}(?:\.\d{1,3})?)(k?)\)|()[^|]{0,80}?\(\)"
)
_SCORE = re.compile(r"[ \t]{0,40}(Single|Multi) Core[ \t]{1,40}\|[ \t]{0,40}(\d{1,9})\b")
_RATE = re.compile(r"(\d{1,9}(?:\.\d{1,4})?) ([KMG]?bits/sec)")
_FACT = re.compile(
    r"(?m)^[ \t]{0,40}(Processor|CPU cores|RAM|Distro|Kernel|VM Type)[ \t]{0,20}:[ \t](.{1,200})$"
)
_DATE = re.compile(
    r"(?m)^[ \t]{0,40}(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),?[ \t]{1,4}(.{5,60}?\b20\d\d\b.{0,20})$"
)
_CHINESE = re.compile(r"(?m)^[ \t]{0,40}(20\d\d)年 ?(\d\d)月 ?(\d\d)日 ")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_CLOCK = re.compile(r"\b(\d\d):(\d\d):(\d\d)\b(?: (AM|PM)\b)?")
_ZONE = re.compile(r"\b(?:UTC|GMT|Z)\b|(?<!\S)([+-])(\d\d):?(\d\d)?\b")
_VERSION = re.compile(r"\bv(20\d\d-\d\d-\d\d)\b")
#: What the script prints of a part that it did not measure.
_SKIPPED = (
    re.compile(r"(?m)^.{0,40}?(Less than .{1,20} of space available\. Skipping disk test)"),
    re.compile(r"(?m)^.{0,40}?(fio disk speed tests failed)"),
    re.compile(r"(?m)^.{0,40}?(Fio binary download failed)"),
    re.compile(r"(?m)^.{0,40}?(iperf3 binary download failed\. Skipping iperf network tests)"),
    re.compile(r"(?m)^.{0,40}?(Geekbench (?:\d )?test failed.{0,60}?)\."),
    re.compile(r"(?m)^.{0,40}?(Geekbench releases can only be downloaded over IPv4)"),
    re.compile(r"(?m)^.{0,40}?(Geekbench \d cannot run on 32-bit architectures)"),
    re.compile(r"(?m)^.{0,40}?(ARM architecture not supported by Geekbench 4)"),
    re.compile(r"(?m)^.{0,40}?(Warning! You are running YABS on a ZFS Filesystem.{0,80})"),
    re.compile(r"(?m)^.{0,40}?(Aborting YABS)"),
)
_HEADED = re.compile(r"\|[ \t]{1,40}Send Speed[ \t]{1,40}\|")
_DD = "dd Sequential Disk Speed Tests"


class Figure(NamedTuple):
    """A number in its base unit, and what may have been cut off of it; as printed where it is."""

    value: float
    step: float
    printed: str | None = None

    def times(self, factor: float) -> Figure:
        """Return it in another unit."""
        return self._replace(value=self.value * factor, step=self.step * factor)

    def meets(self, other: Figure, share: float) -> bool:
        """Tell whether two figures can be one: by what was cut off of each, and a ``share``."""
        slack = share * max(self.value, other.value)
        return (
            self.value <= other.value + other.step + slack
            and other.value <= self.value + self.step + slack
        )


class Disk(NamedTuple):
    """What fio did with blocks of one size: bytes a second and IOPS by direction, or total."""

    block: int
    speeds: Mapping[str, Figure]
    iops: Mapping[str, Figure]

    def fits(self, direction: str) -> bool:
        """Tell whether the I/Os of one direction are as many as its bytes."""
        moved = self.iops[direction].times(self.block)
        return moved.meets(self.speeds[direction], RATE_SLACK)

    def of_1024(self) -> Disk:
        """Return it with a kilobyte of 1024 bytes."""
        speeds = {name: speed.times(_KIB / 1000) for name, speed in self.speeds.items()}
        return self._replace(speeds=speeds)


class Peer(NamedTuple):
    """What iperf3 moved to or from one place on the internet; None where that was busy."""

    family: str
    name: str
    send: Figure | None
    receive: Figure | None


class Score(NamedTuple):
    """A score of Geekbench."""

    version: str
    cores: str
    value: float


class Output(Struct, frozen=True):
    """One output of YABS; ``kilobyte`` is the bytes of one, 0 where nothing tells."""

    version: str = ""
    started_at: str = ""
    architecture: str = ""
    facts: tuple[Fact, ...] = ()
    disks: tuple[Disk, ...] = ()
    kilobyte: int = 1024
    peers: tuple[Peer, ...] = ()
    scores: tuple[Score, ...] = ()
    notes: tuple[str, ...] = ()


def knows(data: bytes) -> bool:
    """Tell whether ``data`` is an output of YABS, with figures in it."""
    if not holds(data, b"fio Disk Speed", b"iperf3 Network Speed", b"Geekbench ", b'"version"'):
        return False
    text = plain(data)
    titled = _FIO.search(text) or _IPERF.search(text) or _GEEKBENCH.search(text)
    return bool((titled and _SIGNS.search(text)) or (_DOCUMENT.search(text) and '"mem"' in text))


def output_in(data: bytes) -> Output:
    """Return the one output in ``data``, from its JSON where it has that whole.

    Raises SitegenError for several, and for one whose JSON is damaged and stands alone.
    """
    text = plain(data)
    _check_single(text)
    document = _DOCUMENT.search(text)
    if document is None:
        return _of_text(text)
    try:
        return _of_json(decode.document(_object(text, document.start()), _Document), text)
    except SitegenError:
        # A score that the script could not fetch leaves a hole in its JSON.
        if not _SIGNS.search(text):
            raise
    return _of_text(text[: document.start()])


def _check_single(text: str) -> None:
    titles = [_FIO.findall(text), _DOCUMENT.findall(text)]
    titles += [re.findall("Basic System Information:", text), re.findall(_BANNER + "  ", text)]
    titles += [[one for one in _GEEKBENCH.findall(text) if one == v] for v in "456789"]
    titles += [[one for one in _IPERF.findall(text) if one == v] for v in "46"]
    if (most := max(map(len, titles))) > 1:
        message = f"holds {most} outputs of YABS"
        raise SitegenError(message, fix="import each as a file of its own")


def _object(text: str, start: int) -> str:
    """Return the line that begins there: the script prints its JSON as one."""
    whole = text[start:]
    end = whole.rfind("}") + 1
    line = whole.partition("\n")[0].rstrip()
    return line if line.endswith("}") else whole[:end] or whole


# The text


def _of_text(text: str) -> Output:
    version = _VERSION.search(text)
    stated = dict(_FACT.findall(text))
    known = version[1] if version else ""
    disks, kilobyte = _right_unit(tuple(_disks(text)), known)
    return Output(
        known,
        _started(text),
        "x86_64" if re.search(r"\b(?:Intel|AMD)\b", stated.get("Processor", "")) else "",
        tuple(_facts(stated)),
        disks,
        kilobyte,
        tuple(_peers(text)),
        tuple(_scores(text)),
        tuple(_skipped(text)),
    )


def _facts(stated: Mapping[str, str]) -> Iterator[Fact]:
    cores = re.match(r"\d{1,5}", stated.get("CPU cores", ""))
    ram = re.match(r"(\d{1,9}(?:\.\d{1,3})?) ([KMGT]i?B)\b", stated.get("RAM", ""))
    virtual = stated.get("VM Type", "").strip().lower()
    values = {
        "cpu": stated.get("Processor", "").strip(),
        "cpus": cores[0] if cores else "",
        "memory": f"{float(ram[1]) * _MEMORY[ram[2]]:.1f} GiB" if ram else "",
        "os": stated.get("Distro", "").strip(),
        "kernel": _kernel(stated.get("Kernel", "").strip()),
        "container" if virtual in _CONTAINERS else "virtualisation": virtual,
    }
    yield from (Fact(name, value, "YABS") for name, value in values.items() if value)


def _kernel(release: str) -> str:
    # The rest of a release is often a build host's or a customer's name.
    number = re.match(r"[\d.]{1,24}(?:-\d{1,9})?", release)
    return f"Linux {number[0]}" if number else release


def _right_unit(disks: tuple[Disk, ...], version: str) -> tuple[tuple[Disk, ...], int]:
    """Return the figures with the kilobyte that their I/Os bear out, and which that is.

    Where both can be, the version tells; 0 where that does not, and 1024 is what most had.
    """
    binary = tuple(disk.of_1024() for disk in disks)
    of_1024, of_1000 = (
        sum(disk.fits(name) for disk in each for name in ("read", "write") if name in disk.iops)
        for each in (binary, disks)
    )
    if of_1000 > of_1024 or (of_1000 == of_1024 and version >= _OF_1000):
        return disks, 1000
    told = of_1024 > of_1000 or "" < version <= _OF_1024
    return binary, 1024 if told else 0


def _started(text: str) -> str:
    if chinese := _CHINESE.search(text):
        return _date(f"{chinese[1]} {_MONTHS[(int(chinese[2]) - 1) % 12]} {chinese[3]}")
    date = _DATE.search(text)
    return _date(date[1]) if date else ""


def _date(text: str) -> str:
    """Return a date as `date` prints it, by the second in UTC where its zone is told."""
    words, clock, zone = text.lower().split(), _CLOCK.search(text), _ZONE.search(text)
    month = next((n for n, name in enumerate(_MONTHS, 1) if name in {w[:3] for w in words}), 0)
    day = next((int(word) for word in words if re.fullmatch(r"\d{1,2}", word)), 0)
    year = next((int(word) for word in words if re.fullmatch(r"20\d\d", word)), 0)
    if not (month and day and year):
        return ""
    try:
        moment = datetime(year, month, day)  # noqa: DTZ001 - its zone is added below
        if not clock or not zone:
            return f"{moment:%Y-%m-%d}"
        hour = int(clock[1]) % 12 + 12 * (clock[4] == "PM") if clock[4] else int(clock[1])
        sign, hours, minutes = zone[1] or "+", int(zone[2] or 0), int(zone[3] or 0)
        name = f"{sign}{hours:02}:{minutes:02}"
        whole = f"{moment:%Y-%m-%d}T{hour:02}:{clock[2]}:{clock[3]}{name}"
        return stamp(datetime.fromisoformat(whole).timestamp())
    except ValueError:
        return ""


def _disks(text: str) -> Iterator[Disk]:
    title = _FIO.search(text)
    blocks: list[int] = []
    rows: dict[str, list[tuple[Figure, Figure] | None]] = {}
    for line in text[title.end() :].split("\n") if title else ():
        if header := _HEADER.fullmatch(line.rstrip()):
            yield from _table(blocks, rows)
            blocks = [int(n) * _SIZES[unit] for n, unit in _BLOCK.findall(header[1])]
            rows = {}
        elif blocks and (row := _ROW.fullmatch(line.rstrip())):
            rows[row[1].lower()] = [_cell(cell) for cell in row[2].split("|")]
        elif _IPERF.search(line) or _GEEKBENCH.search(line):
            break
    yield from _table(blocks, rows)


def _table(
    blocks: list[int], rows: Mapping[str, list[tuple[Figure, Figure] | None]]
) -> Iterator[Disk]:
    for place, block in enumerate(blocks):
        cells = {
            name: pair for name, row in rows.items() if place < len(row) and (pair := row[place])
        }
        speeds, iops = ({name: pair[n] for name, pair in cells.items()} for n in (0, 1))
        if {"read", "write"} & cells.keys():
            yield Disk(block, speeds, iops)


def _cell(text: str) -> tuple[Figure, Figure] | None:
    match = _CELL.search(text)
    if match is None or not match[1]:
        return None
    thousand = 1000.0 if match[4] else 1.0
    speed = _figure(match[1], _SPEEDS[match[2]], f"{match[1]} {match[2]}")
    return speed, _figure(match[3], thousand, f"{match[3]}{match[4]}")


def _figure(digits: str, scale: float, printed: str) -> Figure:
    """Return printed digits in a base unit: what follows the last one is cut off."""
    step = 10.0 ** -len(digits.partition(".")[2])
    return Figure(float(Decimal(digits) * Decimal(scale)), step * scale, printed)


def _peers(text: str) -> Iterator[Peer]:
    titles = [*_IPERF.finditer(text)]
    for title in titles:
        for line in text[title.end() :].split("\n")[2:]:
            cells = [cell.strip() for cell in line.split("|")]
            if len(cells) < 4:  # noqa: PLR2004 - provider, place, send, receive
                break
            if cells[0] not in ("Provider", "") and set(cells[0]) != {"-"}:
                name = ", ".join(filter(None, cells[:2]))[:200]
                yield Peer(f"ipv{title[1]}", name, _rate(cells[2]), _rate(cells[3]))


def _rate(text: str) -> Figure | None:
    match = _RATE.fullmatch(text.strip())
    if match is None or float(match[1]) == 0:
        return None
    return _figure(match[1], _RATES[match[2]], match[0])


def _scores(text: str) -> Iterator[Score]:
    for title in _GEEKBENCH.finditer(text):
        for line in text[title.end() :].split("\n")[1:8]:
            if _GEEKBENCH.search(line):
                break
            if match := _SCORE.match(line):
                yield Score(title[1], match[1].lower(), float(match[2]))


def _skipped(text: str) -> Iterator[str]:
    for pattern in _SKIPPED:
        if match := pattern.search(text):
            yield f"YABS says: {match[1].strip()}."
    if _HEADED.search(text) and not _IPERF.search(text):
        yield "A table of iperf3 without its title is not read: it does not say which IP it is of."
    if _DD in text:
        yield "Its tests with dd, which stand in for fio's, are not read."


# The JSON


class _Block(Struct):
    """fio's figures of one block size."""

    bs: Text
    speed_r: Number
    iops_r: Number
    speed_w: Number
    iops_w: Number
    speed_rw: Number | None = None
    iops_rw: Number | None = None
    speed_units: str = "KBps"


class _Path(Struct):
    """iperf3's figures of one place."""

    mode: Text
    provider: Text = ""
    loc: Text = ""
    send: Text = ""
    recv: Text = ""


class _Scores(Struct):
    """Geekbench's scores."""

    version: Whole
    single: Number | None = None
    multi: Number | None = None


class _System(Struct):
    arch: Text = ""
    distro: Text = ""
    kernel: Text = ""
    vm: Text = ""


class _Cpu(Struct):
    model: Text = ""
    cores: Whole = 0


class _Memory(Struct):
    ram: Number = 0.0
    ram_units: str = "KiB"


class _Runtime(Struct):
    start: Number | None = None


class _Document(Struct):
    version: Text
    time: Text = ""
    os: _System = field(default_factory=_System)
    cpu: _Cpu = field(default_factory=_Cpu)
    mem: _Memory = field(default_factory=_Memory)
    runtime: _Runtime = field(default_factory=_Runtime)
    fio: list[_Block] = []
    iperf: list[_Path] = []
    geekbench: list[_Scores] = []


def _of_json(document: _Document, text: str) -> Output:
    memory = document.mem.ram * _MEMORY.get(document.mem.ram_units, 0.0)
    stated = {
        "Processor": document.cpu.model,
        "CPU cores": str(document.cpu.cores or ""),
        "RAM": f"{memory:.3f} GiB" if memory else "",
        "Distro": document.os.distro,
        "Kernel": document.os.kernel,
        "VM Type": document.os.vm,
    }
    day = re.match(r"(20\d\d)(\d\d)(\d\d)-", document.time)
    return Output(
        document.version.removeprefix("v"),
        stamp(document.runtime.start) or (f"{day[1]}-{day[2]}-{day[3]}" if day else ""),
        document.os.arch,
        tuple(_facts(stated)),
        tuple(map(_block, document.fio)),
        1024,
        tuple(map(_path, document.iperf)),
        tuple(score for one in document.geekbench for score in _pair(one)),
        tuple(_skipped(text)),
    )


def _block(block: _Block) -> Disk:
    size = re.fullmatch(r"(\d{1,6}) ?([kKmM])(?:i?B)?", block.bs)
    if not size or block.speed_units != "KBps":
        message = f"has {block.bs[:20]!a} in {block.speed_units[:20]!a}, which YABS does not write"
        raise SitegenError(message, where="fio")
    raw = {"read": block.speed_r, "write": block.speed_w, "total": block.speed_rw}
    speeds = {n: Figure(v * _KIB, _KIB, f"{v:.15g} KBps") for n, v in raw.items() if v is not None}
    counts = {"read": block.iops_r, "write": block.iops_w, "total": block.iops_rw}
    iops = {name: Figure(v, 1.0, f"{v:.15g}") for name, v in counts.items() if v is not None}
    return Disk(int(size[1]) * _SIZES[size[2].lower()], speeds, iops)


def _path(path: _Path) -> Peer:
    name = ", ".join(filter(None, (path.provider, path.loc)))
    return Peer(path.mode.lower()[:20], name, _rate(path.send), _rate(path.recv))


def _pair(scores: _Scores) -> Iterator[Score]:
    for cores, value in (("single", scores.single), ("multi", scores.multi)):
        if value is not None:
            yield Score(str(scores.version), cores, value)
