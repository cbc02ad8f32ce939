"""The CSV of interactive zkTLS: TLSNotary's metrics.csv and the one of primus-labs/zktls-bench.

Such a protocol costs time and traffic at a given bandwidth and latency; it has no proof to weigh
and no cycles. Three forms of TLSNotary are told by their columns: the oldest has ``runtime`` in
whole seconds, later ones ``time_preprocess``, ``time_online`` and ``time_total``, at first in
seconds and later in milliseconds under the same names, which only the newest columns decide.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Annotated, Literal

from collectors.zktls import quantities
from collectors.zktls.quantities import Quantity
from collectors.zktls.readers import proofs
from collectors.zktls.readers.proofs import Cells, cell
from sitegen.collect import Reader, Reading, Recorder, Settings, described
from sitegen.errors import SitegenError
from sitegen.model import Params, ToolIdentity, params

_STATEMENT = "tls-session"
_PRIMUS = {"kind", "name", "latency(ms)", "send_bytes(B)", "recv_bytes(B)", "cost(ms)"}
#: Its own header is misspelt in some files.
_PRIMUS_BANDWIDTH = ("bandwidth(Mbps)", "bandwith(Mbps)")
_TLSN_RUNTIME = {"runtime", "uploaded", "downloaded", "upload_delay"}
_TLSN_PHASES = {"time_preprocess", "time_online", "time_total"}
_IN_MILLISECONDS = "uploaded_preprocess"
_MEGABIT = 10**6

#: Metric or parameter -> the column that it is in, and how to read that.
Metrics = dict[str, tuple[str, Callable[[str], Quantity | None]]]
Columns = Mapping[str, tuple[str, Callable[[str], object]]]


class PrimusAsks(Settings, frozen=True):
    """What a file of zktls-bench does not say."""

    prover: proofs.Prover = ""
    prover_version: proofs.Version = ""


class TlsnotaryAsks(Settings, frozen=True):
    """What a file of TLSNotary does not say."""

    prover_version: proofs.Version = ""
    time_unit: Annotated[Literal["s", "ms"], described("unit of the columns time_*")] | None = None


def knows_primus(data: bytes) -> bool:
    """Say whether the first line has the columns of zktls-bench."""
    return proofs.first_row(data) >= _PRIMUS


def knows_tlsnotary(data: bytes) -> bool:
    """Say whether the first line has the columns of one of TLSNotary's forms."""
    columns = proofs.first_row(data)
    return columns >= _TLSN_RUNTIME or columns >= _TLSN_PHASES


def read_primus(data: bytes, asks: PrimusAsks) -> tuple[Reading, ...]:
    """Return one run with every line; ``cost`` is the time of one attestation as a whole."""
    tool = ToolIdentity(proofs.answer(asks, "prover"), asks.prover_version)
    right, misspelt = _PRIMUS_BANDWIDTH
    bandwidth = misspelt if misspelt in proofs.first_row(data) else right
    metrics: Metrics = {
        "total_time": ("cost(ms)", _milliseconds),
        "bytes_sent": ("send_bytes(B)", _bytes),
        "bytes_received": ("recv_bytes(B)", _bytes),
        "peak_memory": ("memory(KB)", _kibibytes),
    }
    columns: Columns = {
        "client": ("kind", _word),
        "variant": ("name", _name),
        "bandwidth_bits_per_s": (bandwidth, _megabits),
        "latency_s": ("latency(ms)", _latency),
        "request_size": ("request_size(B)", quantities.count),
        "response_size": ("response_size(B)", quantities.count),
    }
    return (_reading(data, tool, {*_PRIMUS, bandwidth}, metrics, columns),)


def read_tlsnotary(data: bytes, asks: TlsnotaryAsks) -> tuple[Reading, ...]:
    """Return one run with every line; preprocessing is the offline time."""
    known = proofs.first_row(data)
    newest = _IN_MILLISECONDS in known
    if known >= _TLSN_PHASES:
        unit = proofs.answer(asks, "time_unit", "ms" if newest else "")
        times = {"offline": "time_preprocess", "online": "time_online", "total": "time_total"}
    else:
        unit, times = "s", {"total": "runtime"}
    timed = _milliseconds if unit == "ms" else _seconds
    traffic = "_total" if newest else ""
    metrics: Metrics = {f"{phase}_time": (column, timed) for phase, column in times.items()}
    metrics["bytes_sent"] = (f"uploaded{traffic}", _bytes)
    metrics["bytes_received"] = (f"downloaded{traffic}", _bytes)
    needed = {column for column, _ in metrics.values()}
    metrics["peak_memory"] = ("heap_max_bytes", _bytes)
    columns: Columns = {
        "client": ("kind", _word),
        "group": ("group", _name),
        "variant": ("name", _name),
        "bandwidth_bits_per_s": ("bandwidth", _megabits),
        "upload_bits_per_s": ("upload", _megabits),
        "download_bits_per_s": ("download", _megabits),
        "latency_s": ("latency", _latency),
        "upload_latency_s": ("upload_delay", _latency),
        "download_latency_s": ("download_delay", _latency),
        "protocol_latency_s": ("protocol_latency", _latency),
        "app_latency_s": ("app_latency", _latency),
        "request_size": ("upload_size", quantities.count),
        "response_size": ("download_size", quantities.count),
        "defer_decryption": ("defer_decryption", _word),
        "memory_profile": ("memory_profile", _word),
    }
    tool = ToolIdentity("tlsnotary", asks.prover_version)
    return (_reading(data, tool, needed, metrics, columns),)


def _reading(
    data: bytes, tool: ToolIdentity, needed: set[str], metrics: Metrics, columns: Columns
) -> Reading:
    natives = {f"zktls.{metric}": column for metric, (column, _) in metrics.items()}
    recorder = Recorder(tool=tool, natives=natives)
    lines: Counter[Params] = Counter()
    for line, cells in proofs.csv_rows(data, needed):
        with proofs.at(f"line {line}"):
            about = _about(cells, tool.name, columns)
            series = recorder.series(_STATEMENT, about, repetition=lines[about])
            lines[about] += 1
            for metric, (column, parse) in metrics.items():
                quantity = cell(cells, column, parse)
                if quantity is not None:
                    statistic = "max" if metric == "peak_memory" else "value"
                    scope = params(time_scope="total" if metric == "total_time" else None)
                    series.add(f"zktls.{metric}", statistic, *quantity, about=scope)
    times = [row.value for row in recorder.measurements if row.metric == "zktls.total_time"]
    if times and all(time is not None and not time % 1 for time in times):
        recorder.note("The times are whole seconds: shorter differences do not show.")
    return recorder.reading()


def _about(cells: Cells, prover: str, columns: Columns) -> Params:
    """Return the parameters of a line: one bandwidth, or that of each direction."""
    pairs = {name: cell(cells, column, parse) for name, (column, parse) in columns.items()}
    if pairs.get("upload_bits_per_s") == pairs.get("download_bits_per_s"):
        upload = pairs.pop("upload_bits_per_s", None)
        pairs.pop("download_bits_per_s", None)
        pairs["bandwidth_bits_per_s"] = pairs["bandwidth_bits_per_s"] or upload
    system = "interactive"
    return params(
        **pairs, statement=_STATEMENT, prover=prover, proof_system=system, proof_mode=system
    )


def _name(text: str) -> str | None:
    if not re.fullmatch(r"[\w .:/()+-]{0,80}", text.strip(), re.ASCII):
        raise SitegenError(f"{text[:40]!r} is not a name")
    return text.strip() or None


def _word(text: str) -> str | None:
    return (_name(text) or "").lower() or None


def _seconds(text: str) -> Quantity | None:
    return quantities.duration(text, "s")


def _milliseconds(text: str) -> Quantity | None:
    return quantities.duration(text, "ms")


def _bytes(text: str) -> Quantity | None:
    count = quantities.count(text)
    return None if count is None else Quantity(float(count), text.strip())


def _kibibytes(text: str) -> Quantity | None:
    count = quantities.count(text)
    return None if count is None else Quantity(float(count * 1024), f"{text.strip()} KB")


def _megabits(text: str) -> str | None:
    rate = quantities.number(text)
    return None if rate is None else f"{float(rate * _MEGABIT):.0f}"


def _latency(text: str) -> str | None:
    """Return seconds; a latency of 0 is one that was asked for."""
    latency = _milliseconds(text)
    return repr(latency.value) if latency else "0" if text.strip() else None


PRIMUS = Reader("zktls-bench", "zktls-bench CSV (Primus)", knows_primus, read_primus, PrimusAsks)
TLSNOTARY = Reader(
    "tlsnotary", "TLSNotary metrics.csv", knows_tlsnotary, read_tlsnotary, TlsnotaryAsks
)
