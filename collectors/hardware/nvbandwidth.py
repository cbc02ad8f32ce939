"""NVIDIA's nvbandwidth, as its JSON has it: how fast a GPU's memory is copied to and from.

What a guest's encrypted bounce buffers cost shows in copies between host and device.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Annotated

from msgspec import Struct, field

from sitegen.collect import Reader, Reading, Recorder, Series, Settings, Size, decode, described
from sitegen.collect.decode import Text, Whole
from sitegen.errors import SitegenError
from sitegen.model import Comparability, Doubt, ToolIdentity, params

_SIZE = "size of each copied buffer (--bufferSize): its JSON does not say it"


class Asks(Settings, frozen=True):
    """What nvbandwidth's JSON does not say."""

    buffer_size: Annotated[Size, described(_SIZE)] | None = None


_METRICS = {"GB/s": ("hardware.copy_bandwidth", 10**9), "ns": ("hardware.copy_latency", None)}
_NANO = Decimal("1e-9")
_UNIT = re.compile(r"\((GB/s|ns)\)\s*$")
_NUMBER = re.compile(r"\d{1,9}(?:\.\d{1,9})?(?:[eE][+-]?\d{1,2})?")
_DEVICE = re.compile(r"\d{1,3}: ([^()]{1,100}?)(?: \(.{0,300})?")
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9_]{0,62}[a-z0-9])?")
#: Who copies to whom, by how the name of a test case begins; of others their description tells.
_ENDS = {
    "host_to_device": ("CPU", "GPU {column}"),
    "device_to_host": ("GPU {column}", "CPU"),
    "host_to_all": ("CPU", "GPU {column}"),
    "all_to_host": ("GPU {column}", "CPU"),
    "host_device_latency": ("GPU {column}", "CPU"),
    "all_to_one": ("all GPUs", "GPU {column}"),
    "one_to_all": ("GPU {column}", "all GPUs"),
    "device_local": ("GPU {column}", "GPU {column}"),
}
_MATRIX, _BACK, _WORDS = ("GPU {row}", "GPU {column}"), "<- GPU", "GPU(row)"
#: Of the two directions at once there are three tables, one below the other.
_STREAMS = ("1", "2", "total")
_MOST_PAIRS = 100_000
#: What the rounding of the parts to six digits leaves of a sum.
_SUM_SLACK = 2e-5
_UNSAID = "The size of a buffer is not stated (512 MiB unless told): --set buffer_size= says it."


class _Case(Struct):
    """One test case."""

    name: Text
    status: Text = ""
    description: str = field(name="bandwidth_description", default="")
    matrix: list[list[str] | None] | None = field(name="bandwidth_matrix", default=None)
    sum: float | None = None


class _Results(Struct):
    version: Text = ""
    driver: Text = field(name="Driver Version", default="")
    cuda: Whole | Text = field(name="CUDA Runtime Version", default="")
    devices: list[str] | None = field(name="GPU Device list", default=None)
    error: str = ""
    warning: str = ""
    testcases: list[_Case] | None = None


class _Document(Struct):
    nvbandwidth: _Results


def knows(data: bytes) -> bool:
    """Tell whether ``data`` is nvbandwidth's JSON."""
    return b'"nvbandwidth"' in data and b'"testcases"' in data


def read(data: bytes, asks: Asks) -> tuple[Reading, ...]:
    """Return the run in ``data``; raises SitegenError where no test case was carried out."""
    start = data.find(b"{")
    results = decode.document(data[max(start, 0) :], _Document).nvbandwidth
    recorder = Recorder(ToolIdentity("nvbandwidth", results.version or "unknown"))
    waived: list[str] = []
    for case in results.testcases or ():
        if case.status == "Waived":
            waived.append(case.name)
        else:
            _take(recorder, case, asks)
    if waived:
        recorder.note(f"Waived here, and not measured: {', '.join(waived)[:400]}.")
    for word, text in (("warns", results.warning), ("says", results.error)):
        if text := " ".join(text.split())[:200]:
            recorder.note(f"nvbandwidth {word}: {text}.")
    if not recorder.measurements:
        raise SitegenError("no test case of it was carried out")
    if not asks.buffer_size:
        recorder.note(_UNSAID)
    _identify(recorder, results)
    return (recorder.reading(),)


def _identify(recorder: Recorder, results: _Results) -> None:
    names = [match[1] for one in results.devices or () if (match := _DEVICE.fullmatch(one))]
    recorder.fact("gpu", ", ".join(dict.fromkeys(names)), "nvbandwidth")
    recorder.fact("gpus", str(len(names) or ""), "nvbandwidth")
    recorder.fact("gpu_driver", results.driver, "nvbandwidth")
    cuda = results.cuda
    if isinstance(cuda, int):
        cuda = f"{cuda // 1000}.{cuda % 1000 // 10}"
    for name, value in (("tool_version", results.version), ("cuda", cuda)):
        recorder.parameter(name, value or None, Comparability.CAVEAT)


def _take(recorder: Recorder, case: _Case, asks: Asks) -> None:
    """Record one test case: each pair, and the sum that is printed."""
    label = case.name.lower() if _LABEL.fullmatch(case.name.lower()) else "test-case"
    series = recorder.series(
        label, params(test_case=case.name, buffer_size=asks.buffer_size), repetition=0
    )
    unit = _UNIT.search(case.description)
    rows = [row or [] for row in case.matrix or ()]
    if case.status != "Passed" or unit is None or not any(rows):
        series.failed(_metric(case, unit[1] if unit else ""))
        status = case.status or "nothing"
        recorder.note(f"Of {case.name} nvbandwidth says {status}: recorded as failed.")
        return
    if sum(map(len, rows)) > _MOST_PAIRS:
        raise SitegenError(f"has more than {_MOST_PAIRS:,} pairs", where=case.name)
    width = max(map(len, rows))
    stacked = len(rows) == len(_STREAMS) * width and "bidirectional" in case.name
    total: list[float] = []
    for number, row in enumerate(rows):
        for column, text in enumerate(row):
            at = (number % width if stacked else number, column)
            stream = _STREAMS[number // width] if stacked else None
            value = _add(series, case, unit[1], at, text, stream)
            last = not stacked or number >= width * (len(_STREAMS) - 1)
            total += [value] if value is not None and last else []
    if stacked and (sentence := _unlike(rows, width)):
        recorder.doubt(Doubt.INCONSISTENT, sentence, label)
    if case.sum is not None and unit[1] == "GB/s":
        whole = float(Decimal(repr(case.sum)) * 10**9)
        series.add("hardware.copy_bandwidth", "total", whole, f"{case.sum:.6g} GB/s")
        of_all = sum(total)
        if abs(whole - of_all) > _SUM_SLACK * of_all:
            sentence = f"the sum is {case.sum:.6g} GB/s, and its parts add up to {of_all / 1e9:.6g}"
            recorder.doubt(Doubt.INCONSISTENT, sentence, label)


def _metric(case: _Case, unit: str) -> str:
    """Return what a test case was to measure: of one that failed the name may be all there is."""
    named = "ns" if "latency" in case.name else "GB/s"
    return _METRICS[unit or named][0]


def _add(  # noqa: PLR0913 - a cell has as many sides
    series: Series, case: _Case, unit: str, at: tuple[int, int], text: str, stream: str | None
) -> float | None:
    """Record one cell of a matrix and return it; nothing for one that holds no number."""
    if not _NUMBER.fullmatch(text) or not float(text):
        return None
    metric, factor = _METRICS[unit]
    value = float(Decimal(text) * (_NANO if factor is None else factor))
    source, target = _ends(case, *at)
    about = params(**{"from": source, "to": target, "stream": stream})
    series.add(metric, "value", value, f"{text} {unit}", about=about)
    return value


def _ends(case: _Case, row: int, column: int) -> tuple[str, str]:
    """Return whose memory is copied, and to where."""
    known = next((ends for begin, ends in _ENDS.items() if case.name.startswith(begin)), None)
    source, target = known or _MATRIX
    if known is None and _BACK in case.description and _WORDS in case.description:
        source, target = target, source
    return source.format(row=row, column=column), target.format(row=row, column=column)


def _unlike(rows: Sequence[Sequence[str]], width: int) -> str:
    """Return in a sentence where two streams are not what their total says, or nothing."""
    for place in _places(rows, width):
        first, second, total = (float(rows[place[0] + n * width][place[1]]) for n in range(3))
        if abs(first + second - total) > _SUM_SLACK * total:
            return f"its streams of {first:g} and {second:g} GB/s have a total of {total:g}"
    return ""


def _places(rows: Sequence[Sequence[str]], width: int) -> Iterator[tuple[int, int]]:
    for row in range(width):
        for column in range(min(len(rows[row + n * width]) for n in range(3))):
            cells = [rows[row + n * width][column] for n in range(3)]
            if all(map(_NUMBER.fullmatch, cells)):
                yield row, column


READER = Reader("nvbandwidth", "nvbandwidth --json", knows, read, Asks)
