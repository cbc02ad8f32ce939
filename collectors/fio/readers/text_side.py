"""The lines of one direction in fio's text, and the exact figures that are left in them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product

from collectors.fio.jobs import DIRECTIONS, LATENCIES, MIXED, Latency, Side
from collectors.fio.readers.printed import Printed, number
from sitegen.errors import SitegenError

#: fio 3: ``read: IOPS=42.6k, BW=167MiB/s (175MB/s)(167MiB/1001msec)``
_NEW = re.compile(
    r"^\s*(read|write|trim|mixed)\s*: IOPS=([\w.]{1,20}), BW=([\w./]{1,20}) \(([\w./]{1,20})\)"
    r"\(([\w.]{1,20})/(\d{1,15})msec\)"
)
#: fio 2: ``read : io=1024.0MB, bw=52429KB/s, iops=13107, runt= 20000msec``
_OLD = re.compile(
    r"^\s*(read|write|trim|mixed)\s*: io=\s*([\w.]{1,20}), bw=\s*([\w./]{1,20}), "
    r"iops=\s*([\w.]{1,20})\s*, runt(?:ime)?=\s*(\d{1,15})\s*msec"
)
_LATENCY = re.compile(
    r"^\s*(slat|clat|lat|sync)\s*\((nsec|usec|msec|sec)\)\s*: min=\s*([\w.]{1,20})\s{0,4}, "
    r"max=\s*([\w.]{1,20})\s{0,4}, avg=\s*([\w.]{1,24})\s{0,4}, stdev=\s*([\w.]{1,24})"
)
_PERCENTILES = re.compile(r"^\s*(?:(slat|clat|lat|sync) )?percentiles \((nsec|usec|msec|sec)\):")
_PERCENTILE = re.compile(r"(\d{1,3}\.\d{1,6})th=\[\s*(\d{1,18})\]")
_SPREAD = re.compile(
    r"^\s*iops\s*: min=\s*([\w.]{1,20}), max=\s*([\w.]{1,20}), "
    r"avg=\s*([\w.]{1,24}), stdev=\s*([\w.]{1,24})(?:, samples=\s*(\d{1,12}))?"
)
_BLOCK = re.compile(r"(\d{1,12}(?:\.\d{1,6})?)\s?([KMGkmg]?)i?B?")
_UNITS = {"nsec": 1e9, "usec": 1e6, "msec": 1e3, "sec": 1.0}
_LEVELS = " KMG"


@dataclass(slots=True)
class SideText:
    """One direction of a job while its lines are read; `closed` ends it."""

    direction: str
    where: str
    runtime_ms: int = 0
    iops: Printed | None = None
    rates: tuple[Printed, ...] = ()
    total: Printed | None = None
    blocks: dict[str, tuple[str, tuple[str, str, str, str]]] = field(default_factory=dict)
    listed: dict[str, dict[float, tuple[float, str]]] = field(default_factory=dict)
    spread: dict[str, Printed] = field(default_factory=dict)
    _open: tuple[str, str] | None = None

    @classmethod
    def begin(cls, line: str, where: str) -> SideText | None:
        """Return a direction when ``line`` is its first one."""
        if match := _NEW.match(line):
            return cls(
                match[1],
                where,
                int(match[6]),
                number(match[2], where),
                (number(match[3], where), number(match[4], where)),
                number(match[5], where),
            )
        if match := _OLD.match(line):
            return cls(
                match[1],
                where,
                int(match[5]),
                number(match[4], where),
                (number(match[3], where, kilo=1024),),
                number(match[2], where, kilo=1024),
            )
        return None

    def take(self, line: str, where: str) -> None:
        """Take one further line of the section; what says nothing about this is passed over."""
        if match := _LATENCY.match(line):
            self.blocks[match[1]] = (match[2], (match[3], match[4], match[5], match[6]))
            self._open = None
        elif match := _PERCENTILES.match(line):
            # Before fio 3.13 there were percentiles of clat alone.
            self._open = (match[1] or "clat", match[2])
        elif self._open and line.lstrip().startswith("|"):
            kind, unit = self._open
            place = self.listed.setdefault(kind, {})
            for found in _PERCENTILE.finditer(line):
                value = float(found[2])
                place[float(found[1])] = (value / _UNITS[unit], f"{found[2]} {unit}")
        elif match := _SPREAD.match(line):
            names = ("min", "max", "mean", "stddev")
            values = [number(match[place], where) for place in (1, 2, 3, 4)]
            self.spread = dict(zip(names, values, strict=True))
            if match[5] in ("0", "1"):
                self.spread.pop("stddev")
        elif line.strip():
            self._open = None

    def latency(self, kind: str, count: int) -> Latency | None:
        """Return one kind of latency with the digits that were printed."""
        if kind not in self.blocks:
            return None
        unit, texts = self.blocks[kind]
        low, high, mean, stddev = (number(text, f"{self.where}: {kind}") for text in texts)
        if not high.value:
            return None  # some engines time no submission
        listed = self.listed.get(kind, {})
        digits = {
            name: f"{figure.text} {unit}"
            for name, figure in (("min", low), ("max", high), ("mean", mean), ("stddev", stddev))
        }
        for percent, (_, text) in listed.items():
            digits[f"p{percent:g}"] = text
        return Latency(
            units=_UNITS[unit],
            mean=mean.value,
            count=count,
            stddev=stddev.value,
            low=low.value,
            high=high.value,
            percentiles={percent: value for percent, (value, _) in listed.items()},
            printed=digits,
        )

    def closed(self, issued: Sequence[int], short: Sequence[int], blocks: str) -> Side | None:
        """Return the direction; exact where ``issued`` I/Os of one block size say it.

        None when nothing was done.
        """
        runtime = self.runtime_ms / 1000
        if self.total is None or self.iops is None or not (self.total.value or self.iops.value):
            return None
        against = self._carry(runtime, _one_size(blocks, self.direction))
        total, iops = self.total, self.iops
        against += self._contradictions(total, self.rates, runtime)
        rounded: list[str] = []
        printed = {f"iops {name}": figure.text for name, figure in self.spread.items()}
        ios = self._ios(issued, against)
        if ios is None:
            printed["iops"] = iops.text
            if iops.rounded:
                rounded.append(f"IOPS is printed as {iops.text}")
        exact = (ios or 0) * _one_size(blocks, self.direction)
        if (
            exact
            and not _at(short, self.direction)
            and any(one.holds(exact) for one in total.readings)
        ):
            moved = float(exact)
        else:
            moved = self._rounded(total, runtime, printed, rounded)
        count = ios if ios is not None else max(round(iops.value * runtime), 1)
        latencies = {
            metric: found
            for kind, metric in LATENCIES.items()
            if (found := self.latency(kind, count)) is not None
        }
        return Side(
            direction=self.direction,
            runtime_s=runtime,
            ios=ios,
            moved=moved,
            total=total.value if "io_bytes" in printed else None,
            iops=iops.value,
            bandwidth=self.rates[0].value,
            spread={name: figure.value for name, figure in self.spread.items()},
            latencies=latencies,
            printed=printed,
            against=tuple(against),
            rounded=tuple(rounded),
        )

    def _carry(self, runtime: float, size: int) -> list[str]:
        """Put right what fio printed without its carry, where the other figures tell; say so."""
        if self.total is None or self.iops is None or runtime <= 0:
            return []
        before = (self.total, *self.rates, self.iops)
        all_readings = product(*(one.readings for one in (self.total, *self.rates)))
        for total, *rates in sorted(all_readings, key=lambda them: len({*them} - {*before})):
            if not any(self._contradictions(total, rates, runtime)):
                self.total, self.rates = total, tuple(rates)
                break
        wanted = self.total.value / runtime / size if size else 0.0
        for iops in self.iops.readings if wanted else ():
            if abs(iops.value - wanted) <= 1 + 2 * iops.half + 2 * self.total.half / runtime / size:
                self.iops = iops
                break
        after = (self.total, *self.rates, self.iops)
        return [
            f"{then.text} is printed where the other figures say {then.value:.4g}"
            for first, then in zip(before, after, strict=True)
            if first != then
        ]

    def _contradictions(
        self, total: Printed, rates: Sequence[Printed], runtime: float
    ) -> Iterator[str]:
        if runtime <= 0:
            return
        wanted = total.value / runtime
        for rate in rates:
            slack = 2 * (rate.half + total.half / runtime) + wanted / self.runtime_ms
            if not rate.holds(wanted) and abs(rate.value - wanted) > slack:
                yield (
                    f"the bandwidth is {rate.text}, and {total.text} in {self.runtime_ms} ms "
                    f"are {wanted:.4g} B/s"
                )

    def _rounded(
        self, total: Printed, runtime: float, printed: dict[str, str], rounded: list[str]
    ) -> float:
        """Return the bytes moved by the printed figure that lost least to rounding."""
        told = [figure for figure in (total, *(self.rates if runtime > 0 else ())) if figure.value]
        if not told:
            raise SitegenError("has no bandwidth", where=self.where)
        best = min(told, key=lambda figure: figure.share)
        printed["bandwidth"] = self.rates[0].text if best is total else best.text
        printed["io_bytes"] = total.text
        if best.rounded:
            rounded.append(f"the bandwidth is printed as {self.rates[0].text}")
        return best.value if best is total else best.value * runtime

    def _ios(self, issued: Sequence[int], against: list[str]) -> int | None:
        """Return how many I/Os there were, where what was issued agrees with the printed rate."""
        iops, runtime = self.iops, self.runtime_ms / 1000
        count = sum(issued) if self.direction == MIXED else _at(issued, self.direction)
        if not count or iops is None or runtime <= 0:
            return None
        rate = count / runtime
        # fio cuts IOPS to a whole number and rounds after that.
        slack = 1 + 2 * iops.half + rate / self.runtime_ms
        if any(one.holds(rate) or abs(one.value - rate) <= slack for one in iops.readings):
            return count
        against.append(
            f"IOPS is {iops.text}, and {count} I/Os in {self.runtime_ms} ms are {rate:.5g}"
        )
        return None


def block_size(text: str, where: str) -> str | None:
    """Return ``bs`` of a header as fio's option would say it: bytes, for each direction."""
    parts = [part for part in re.split(r"[,/]|\([RWT]\)", text) if part.strip()]
    found = []
    for part in parts[:3]:
        ends = []
        for end in part.strip().split("-")[:2]:
            match = _BLOCK.fullmatch(end.strip())
            if not match:
                return None
            size = float(match[1]) * 1024 ** _LEVELS.index(match[2].upper() or " ")
            if size != int(size):
                return None  # 1.5K was rounded
            ends.append(str(int(size)))
        found.append("-".join(dict.fromkeys(ends)))
    if not found:
        raise SitegenError("has no block size", where=where)
    return ",".join(found)


def _one_size(blocks: str, direction: str) -> int:
    """Return the block size of a direction in bytes, 0 where it is none or a range."""
    parts = blocks.split(",")
    place = DIRECTIONS.index(direction) if direction in DIRECTIONS else 0
    if direction == MIXED and len(set(parts)) > 1:
        return 0
    text = parts[min(place, len(parts) - 1)]
    return int(text) if text.isdecimal() and len(text) < 16 else 0  # noqa: PLR2004 - fio's largest is far less


def _at(counts: Sequence[int], direction: str) -> int:
    return counts[DIRECTIONS.index(direction)] if counts and direction in DIRECTIONS else 0
