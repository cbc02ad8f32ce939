"""The lines of one job in fio's text, and the exact figures that are left in them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from collectors.fio.jobs import DIRECTIONS, LATENCIES, MIXED, ROUNDED, Latency, Side
from collectors.fio.workloads import block_of
from sitegen.errors import SitegenError

_NUMBER = re.compile(
    r"(\d{1,18}(?:\.\d{1,9})?)\s{0,4}([kKMGTP]?)(i?)(B|bit|b|Byte)?(?:/s(?:ec)?)?", re.ASCII
)
_LEVELS = " KMGTP"
#: What a part of the section begins with.
_FIRST = re.compile(
    r"(?m)^[ \t]*(?:fsync/fdatasync|(?:read|write|trim|mixed)[ \t]*: (?:IOPS|io)=)[^\n]*"
)
#: fio 3: ``read: IOPS=42.6k, BW=167MiB/s (175MB/s)(167MiB/1001msec)``
_NEW = re.compile(
    r"[ \t]*(\w+)[ \t]*: IOPS=(?P<iops>[\w.]{1,20}), BW=(?P<rate>[\w./]{1,20}) "
    r"\((?P<decimal>[\w./]{1,20})\)\((?P<total>[\w.]{1,20})/(?P<runtime>\d{1,15})msec\)"
)
#: fio 2: ``read : io=1024.0MB, bw=52429KB/s, iops=13107, runt= 20000msec``
_OLD = re.compile(
    r"[ \t]*(\w+)[ \t]*: io=[ \t]*(?P<total>[\w.]{1,20}), bw=[ \t]*(?P<rate>[\w./]{1,20}), "
    r"iops=[ \t]*(?P<iops>[\w.]{1,20})[ \t]*, "
    r"runt(?:ime)?=[ \t]*(?P<runtime>\d{1,15})[ \t]*msec"
)
_FOUR = ", ".join(
    rf"{name}=[ \t]*([\w.]{{1,24}})[ \t]{{0,4}}" for name in ("min", "max", "avg", "stdev")
)
_LATENCY = re.compile(
    rf"(?m)^[ \t]*(slat|clat|lat|sync)[ \t]*\((nsec|usec|msec|sec)\)[ \t]*: {_FOUR}"
)
_SPREAD = re.compile(rf"(?m)^[ \t]*iops[ \t]*: {_FOUR}(?:, samples=\s*(\d{{1,12}}))?")
#: Before fio 3.13 there were percentiles of clat alone.
_PERCENTILES = re.compile(
    r"(?m)^[ \t]*(?:(slat|clat|lat|sync) )?percentiles \((nsec|usec|msec|sec)\):"
    r"((?:[^\n]*\n[ \t]*(?:\||(?=\n)))+[^\n]*)"
)
_PERCENTILE = re.compile(r"(\d{1,3}\.\d{1,6})th=\[\s*(\d{1,18})\]")
_COUNTS = r"(?:r=)?(\d{1,18})(?:,|/w=)(\d{1,18})(?:(?:,|/d=)(\d{1,18}))?"
_ISSUED = re.compile(
    rf"(?m)^[ \t]*issued(?: rwts?)?[ \t]*: total={_COUNTS}[^\n]{{0,40}}? short={_COUNTS}"
)
_UNITS = {"nsec": 1e9, "usec": 1e6, "msec": 1e3, "sec": 1.0}


@dataclass(frozen=True, slots=True)
class Printed:
    """A number in its base unit, half of its last digit, and its text."""

    value: float
    half: float
    text: str

    @property
    def share(self) -> float:
        """Return how much of the value may be rounding."""
        return self.half / self.value if self.value else 0.0

    def is_rate(self, exact: float, runtime_ms: int) -> bool:
        """Tell whether ``exact`` I/Os a second may have been printed so: cut, and rounded then."""
        slack = 1 + 2 * self.half + exact / runtime_ms
        return self.holds(exact) or abs(self.value - exact) <= slack

    def holds(self, exact: float) -> bool:
        """Tell whether ``exact`` may have been printed so: rounded or cut."""
        return abs(exact - self.value) <= 2 * self.half + 0.002 * max(exact, self.value)


def number(text: str, *, kilo: int = 1000) -> Printed:
    """Return a number; ``k`` means ``kilo``, and ``Ki`` always 1024.

    fio 2 prints KB for 1024 bytes, fio 3 KiB for 1024 and kB for 1000. Raises SitegenError for
    what is no number.
    """
    match = _NUMBER.fullmatch(text.strip())
    if not match:
        raise SitegenError(f"{ascii(text)[:40]} is not a number of fio's")
    digits, prefix, binary, unit = match.groups()
    scale = float((1024 if binary else kilo) ** _LEVELS.index(prefix.upper() or " "))
    if unit in ("b", "bit"):
        scale /= 8
    places = len(digits.partition(".")[2])
    return Printed(float(digits) * scale, 0.5 * 10.0**-places * scale, text.strip())


def read_job(
    text: str, options: Mapping[str, str], *, failed: bool
) -> tuple[tuple[Side, ...], Latency | None]:
    """Return the directions of a job's section, and how long its syncs took.

    Figures are exact where the I/Os counted, of one block size, say it. Raises
    SitegenError for what is not as fio prints it.
    """
    match = _ISSUED.search(text)
    counts = [int(count or 0) for count in match.groups()] if match else [0] * 6
    issued, short = (dict(zip(DIRECTIONS, half, strict=True)) for half in (counts[:3], counts[3:]))
    issued[MIXED] = sum(counts[:3])
    firsts = list(_FIRST.finditer(text))
    ends = [*(first.start() for first in firsts[1:]), len(text)]
    sides: dict[str, Side] = {}
    sync = None
    for first, end in zip(firsts, ends, strict=False):
        part = text[first.end() : end]
        if "fsync" in first[0]:
            sync = _latencies(part, 1).get("sync")
            continue
        line = _NEW.match(first[0]) or _OLD.match(first[0])
        if line is None:
            raise SitegenError(f"{first[0].strip()[:60]!a} is not as fio prints it")
        block = block_of(options, line[1]) or ""
        exact = block.isdecimal() and not short.get(line[1])
        side = _side(line, part, issued[line[1]], int(block) if exact else 0)
        if side is not None:
            sides[side.direction] = side
    if any(counts) and not sides and not failed:
        raise SitegenError(
            "its I/Os were counted, and no line tells their rate as fio prints it",
            fix="import the output as fio wrote it, with its own line breaks",
        )
    return tuple(sides.values()), sync


def block_sizes(text: str) -> str | None:
    """Return ``bs`` of a header as fio's option would say it: bytes, for each direction."""
    parts = [part for part in re.split(r"[,/]|\([RWT]\)", text) if part.strip()]
    sizes = []
    for part in parts[:3]:
        try:
            ends = [number(end, kilo=1024).value for end in part.strip().split("-")[:2]]
        except SitegenError:
            return None
        if any(size != int(size) for size in ends):
            return None  # 1.5K was rounded
        sizes.append("-".join(dict.fromkeys(str(int(size)) for size in ends)))
    return ",".join(sizes) or None


def _side(line: re.Match[str], text: str, ios: int, size: int) -> Side | None:
    """Return one direction, exact where ``ios`` I/Os of ``size`` bytes are what is printed.

    None when nothing was done.
    """
    figures = line.groupdict()
    kilo = 1000 if "decimal" in figures else 1024
    iops, total = number(figures["iops"]), number(figures["total"], kilo=kilo)
    rates = [number(figures[key], kilo=kilo) for key in ("rate", "decimal") if key in figures]
    if not total.value and not iops.value:
        return None
    runtime_ms = int(figures["runtime"])
    runtime = runtime_ms / 1000
    match = _SPREAD.search(text)
    names = ("min", "max", "mean", "stddev")[: 3 if match and match[5] in ("0", "1") else 4]
    values = [number(text) for text in match.groups()[: len(names)]] if match else []
    spread = dict(zip(names, values, strict=False))
    printed = {f"iops {name}": figure.text for name, figure in spread.items()}
    against = list(_contradictions(total, rates, runtime_ms))
    rounded, exact = [], ios if runtime else 0
    if exact and not iops.is_rate(exact / runtime, runtime_ms):
        rate = exact / runtime
        against.append(f"IOPS is {iops.text}, and {exact} I/Os in {runtime_ms} ms are {rate:.5g}")
        exact = 0
    if not exact:
        printed["iops"] = iops.text
        if iops.share > ROUNDED:
            rounded.append(f"IOPS is printed as {iops.text}")
    moved = float(exact * size)
    if not moved or not total.holds(moved):
        known = [figure for figure in (total, *(rates if runtime else ())) if figure.value]
        if not known:
            raise SitegenError("has no bandwidth")
        best = min(known, key=lambda figure: figure.share)
        moved = best.value if best is total else best.value * runtime
        printed["bandwidth"] = rates[0].text if best is total else best.text
        printed["io_bytes"] = total.text
        if best.share > ROUNDED:
            rounded.append(f"the bandwidth is printed as {rates[0].text}")
    every = _latencies(text, exact or max(round(iops.value * runtime), 1))
    return Side(
        direction=line[1],
        runtime_s=runtime,
        ios=exact or None,
        moved=moved,
        total=total.value if "io_bytes" in printed else None,
        iops=iops.value,
        bandwidth=rates[0].value,
        spread={name: figure.value for name, figure in spread.items()},
        latencies={LATENCIES[kind]: one for kind, one in every.items() if kind in LATENCIES},
        printed=printed,
        against=tuple(against),
        rounded=tuple(rounded),
    )


def _contradictions(total: Printed, rates: Sequence[Printed], runtime_ms: int) -> Iterator[str]:
    """Yield a sentence for each bandwidth that is not the bytes over the time."""
    for rate in rates if runtime_ms else ():
        wanted = 1000 * total.value / runtime_ms
        slack = 2 * (rate.half + 1000 * total.half / runtime_ms) + wanted / runtime_ms
        if not rate.holds(wanted) and abs(rate.value - wanted) > slack:
            time = f"in {runtime_ms} ms are {wanted:.4g} B/s"
            yield f"the bandwidth is {rate.text}, and {total.text} {time}"


def _latencies(text: str, count: int) -> dict[str, Latency]:
    """Return each kind of latency with the digits that were printed."""
    listed = {
        match[1] or "clat": (match[2], _PERCENTILE.findall(match[3]))
        for match in _PERCENTILES.finditer(text)
    }
    latencies = {}
    for kind, unit, *texts in _LATENCY.findall(text):
        low, high, mean, stddev = (number(figure) for figure in texts)
        if not high.value:
            continue  # some engines time no submission
        figures = {"min": low, "max": high, "mean": mean, "stddev": stddev}
        printed = {name: f"{figure.text} {unit}" for name, figure in figures.items()}
        other, percentiles = listed.get(kind, (unit, []))
        printed |= {f"p{float(percent):g}": f"{value} {other}" for percent, value in percentiles}
        latencies[kind] = Latency(
            units=_UNITS[unit],
            mean=mean.value,
            count=count,
            stddev=stddev.value,
            low=low.value,
            high=high.value,
            percentiles={float(p): float(value) / _UNITS[other] for p, value in percentiles},
            printed=printed,
        )
    return latencies
