"""What a table of 7-Zip's benchmark is worth: its measurements, and where it contradicts itself."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from collectors.sevenzip.output import Row, Side, Table
from sitegen.collect import Series
from sitegen.model import Params, Status, params

# An undisturbed machine shows 99-100 % for one thread and 97-99 % of the ideal for several.
_LEAST_USAGE_ONE = 97
_LEAST_USAGE_MANY = 90
#: Two threads that get less than three quarters of two CPUs do not have two CPUs.
_LEAST_TOGETHER = 0.75
_KIB = 1024.0
_MHZ = 1e6
# A mean of rounded figures, itself rounded.
_ROUNDING = 1.5
_HALF = 0.5
_SAME_RATE = 0.01
_COLUMNS = {"speed": "speed", "usage": "usage", "rating_per_usage": "R/U", "rating": "rating"}


def averages(series: Series, table: Table) -> None:
    """Write the averages of a table, those that it has."""
    for operation in ("compress", "decompress", "total"):
        if side := getattr(table, operation):
            _figures(series, side, "mean", params(operation=operation))


def write_row(series: Series, row: Row) -> None:
    """Write the figures of one row; its parameters say which."""
    for operation, side in (("compress", row.compress), ("decompress", row.decompress)):
        about = params(operation=operation, dictionary=1 << row.bits, row=row.bits)
        _figures(series, side, "value", about)


def frequency(series: Series, table: Table) -> None:
    """Write the frequency that 7-Zip deduced for one thread, if it printed a usable one."""
    if table.header.frequencies_mhz:
        middle = statistics.median_low(table.header.frequencies_mhz)
        series.add("7z.cpu_frequency", "p50", middle * _MHZ, str(middle))


def usage_status(threads: int, cpus: int, compress: Side, decompress: Side) -> Status:
    """Return suspect when something else had the CPUs that the threads could have used."""
    usage = int(decompress.usage)
    if threads == 1:
        least = min(usage, int(compress.usage))
        return Status.SUSPECT if least < _LEAST_USAGE_ONE else Status.OK
    # Compression keeps its threads less busy than this on any machine.
    return Status.SUSPECT if usage < _LEAST_USAGE_MANY * min(threads, cpus) else Status.OK


def contradictions(table: Table) -> Iterator[str]:
    """Yield where the averages are not those of the rows, or the total not that of both sides."""
    for name, side in (("compress", table.compress), ("decompress", table.decompress)):
        if side is not None:
            rows = [row.compress if name == "compress" else row.decompress for row in table.rows]
            yield from _unlike_mean("Avr:", name, side, rows, "the rows")
    if table.total and table.compress and table.decompress:
        sides = [table.compress, table.decompress]
        yield from _unlike_mean("Tot:", "total", table.total, sides, "the Avr: row")


def row_contradictions(row: Row) -> Iterator[str]:
    """Yield where the rating of a row is not its rating per usage times its usage."""
    for name, side in (("compress", row.compress), ("decompress", row.decompress)):
        usage, per_usage = int(side.usage), int(side.rating_per_usage)
        low = (per_usage * (1 - _SAME_RATE) - _HALF) * (usage - _HALF) / 100 - _HALF
        high = (per_usage * (1 + _SAME_RATE) + _HALF) * (usage + _HALF) / 100 + _HALF
        if not low <= int(side.rating) <= high:
            expected = f"{per_usage} at {usage} % are {per_usage * usage / 100:.0f}"
            yield f"row {row.bits}: {name} says {side.rating} MIPS, {expected}"


def crowded(table: Table) -> str:
    """Return what several threads got of the CPUs before the benchmark, when it was too little."""
    for threads, percents in table.header.together:
        reachable = min(threads, table.header.cpus or 1)
        if reachable > 1 and max(percents) < _LEAST_TOGETHER * 100 * reachable:
            usage = " and ".join(f"{percent} %" for percent in percents[:4])
            return (
                f"{threads} threads together got {usage} of a CPU on {reachable} CPUs, where about "
                f"{100 * reachable} % are due: a quota, or something else ran."
            )
    return ""


def _unlike_mean(
    label: str, name: str, side: Side, parts: list[Side], of_what: str
) -> Iterator[str]:
    for column, title in _COLUMNS.items():
        printed = getattr(side, column)
        figures = [int(text) for part in parts if (text := getattr(part, column))]
        if printed and len(figures) == len(parts):
            mean = statistics.fmean(figures)
            if abs(int(printed) - mean) > _ROUNDING:
                yield f"{label} {name} {title} is {printed}, the mean of {of_what} {mean:.0f}"


def _figures(series: Series, side: Side, speed: str, about: Params) -> None:
    """Write the figures of one side; ``speed`` is the statistic that its speed is."""
    for metric, statistic, printed, units in (
        ("7z.rating", "value", side.rating, 1),
        ("7z.rating_per_usage", "value", side.rating_per_usage, 1),
        ("7z.cpu_usage", "value", side.usage, 100),
        ("7z.speed", speed, side.speed, 1 / _KIB),
    ):
        if printed:
            series.add(metric, statistic, int(printed) / units, printed, about=about)
