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
from fractions import Fraction
from typing import TypeVar

from collectors.zktls import durations
from collectors.zktls.readers import series
from collectors.zktls.readers.series import Quantity
from sitegen.collect import Reader, Reading
from sitegen.errors import SitegenError
from sitegen.model import Measurement, Params, ToolIdentity, params

_STATEMENT = "tls-session"
_PRIMUS = {"kind", "name", "latency(ms)", "send_bytes(B)", "recv_bytes(B)", "cost(ms)"}
#: Its own header is misspelt in some files.
_PRIMUS_BANDWIDTH = ("bandwidth(Mbps)", "bandwith(Mbps)")
_TLSN_RUNTIME = {"runtime", "uploaded", "downloaded", "upload_delay"}
_TLSN_PHASES = {"time_preprocess", "time_online", "time_total"}
_IN_MILLISECONDS = "uploaded_preprocess"
_MEGABIT = 10**6
_T = TypeVar("_T")

Cells = Mapping[str, str]
#: Metric -> the column that it is in, and how to read that.
Columns = Mapping[str, tuple[str, Callable[[str], Quantity | None]]]


def knows_primus(data: bytes) -> bool:
    """Say whether the first line has the columns of zktls-bench."""
    return series.first_row(data) >= _PRIMUS


def knows_tlsnotary(data: bytes) -> bool:
    """Say whether the first line has the columns of one of TLSNotary's forms."""
    columns = series.first_row(data)
    return columns >= _TLSN_RUNTIME or columns >= _TLSN_PHASES


def read_primus(data: bytes, settings: Mapping[str, str]) -> tuple[Reading, ...]:
    """Return one run with every line; ``cost`` is the time of one attestation as a whole."""
    prover = series.answer(settings, "prover")
    spelt = next((name for name in _PRIMUS_BANDWIDTH if name in series.first_row(data)), "")
    series.need(data, _PRIMUS | {spelt or _PRIMUS_BANDWIDTH[0]})
    columns: Columns = {
        "total_time": ("cost(ms)", _milliseconds),
        "bytes_sent": ("send_bytes(B)", _bytes),
        "bytes_received": ("recv_bytes(B)", _bytes),
        "peak_memory": ("memory(KB)", lambda text: _bytes(text, 1024)),
    }
    found = _rows(data, prover, _primus_params, columns)
    return (_found(found, columns, prover, settings),)


def read_tlsnotary(data: bytes, settings: Mapping[str, str]) -> tuple[Reading, ...]:
    """Return one run with every line; preprocessing is the offline time."""
    known = series.first_row(data)
    if known >= _TLSN_PHASES:
        unit = series.answer(settings, "time_unit", "ms" if _IN_MILLISECONDS in known else "")
        if unit not in ("s", "ms"):
            raise SitegenError(f"{unit[:20]!r} is not s or ms", where="--set time_unit")
        total = "_total" if _IN_MILLISECONDS in known else ""

        def timed(text: str) -> Quantity | None:
            return series.duration(text, unit)

        columns: Columns = {
            "offline_time": ("time_preprocess", timed),
            "online_time": ("time_online", timed),
            "total_time": ("time_total", timed),
            "bytes_sent": (f"uploaded{total}", _bytes),
            "bytes_received": (f"downloaded{total}", _bytes),
            "peak_memory": ("heap_max_bytes", _bytes),
        }
    else:
        columns = {
            "total_time": ("runtime", lambda text: series.duration(text, "s")),
            "bytes_sent": ("uploaded", _bytes),
            "bytes_received": ("downloaded", _bytes),
            "peak_memory": ("heap_max_bytes", _bytes),
        }
    series.need(data, {column for column, _ in columns.values()} - {"heap_max_bytes"})
    found = _rows(data, "tlsnotary", _tlsnotary_params, columns)
    return (_found(found, columns, "tlsnotary", settings),)


def _rows(
    data: bytes, prover: str, where: Callable[[Cells], Params], columns: Columns
) -> list[Measurement]:
    rows: list[Measurement] = []
    seen: Counter[Params] = Counter()
    for line, cells in series.csv_rows(data):
        try:
            own = params(
                **dict(where(cells)),
                statement=_STATEMENT,
                prover=prover,
                proof_system="interactive",
                proof_mode="interactive",
            )
            for metric, (column, parse) in columns.items():
                found = _named(parse, cells, column)
                if found is not None:
                    rows.append(_row(metric, found, own, seen[own]))
            seen[own] += 1
        except SitegenError as error:
            raise series.placed(error, f"line {line}") from None
    return rows


def _row(metric: str, found: Quantity, own: Params, repetition: int) -> Measurement:
    timed = metric.endswith("_time")
    scoped = params(**dict(own), time_scope="total") if metric == "total_time" else own
    return Measurement(
        _STATEMENT,
        f"zktls.{metric}",
        "max" if metric == "peak_memory" else "value",
        "s" if timed else "B",
        found.value,
        scoped,
        repetition,
        printed=found.printed,
    )


def _found(
    rows: list[Measurement], columns: Columns, prover: str, settings: Mapping[str, str]
) -> Reading:
    times = [row.value for row in rows if row.metric == "zktls.total_time"]
    notes = []
    if times and all(time is not None and not time % 1 for time in times):
        notes.append("The times are whole seconds: shorter differences do not show.")
    return Reading(
        tuple(rows),
        tool=ToolIdentity(prover, series.optional(settings, "prover_version")),
        natives=tuple((f"zktls.{metric}", column) for metric, (column, _) in columns.items()),
        notes=tuple(notes),
    )


def _primus_params(cells: Cells) -> Params:
    bandwidth = next((name for name in _PRIMUS_BANDWIDTH if name in cells), _PRIMUS_BANDWIDTH[0])
    return params(
        client=_text(cells, "kind").lower() or None,
        variant=_text(cells, "name") or None,
        bandwidth_bits_per_s=_named(_megabits, cells, bandwidth),
        latency_s=_named(_latency, cells, "latency(ms)"),
        request_size=_named(durations.count, cells, "request_size(B)"),
        response_size=_named(durations.count, cells, "response_size(B)"),
    )


def _tlsnotary_params(cells: Cells) -> Params:
    """Return what TLSNotary's forms say of the network and of the exchange."""
    both = cells.get("upload") == cells.get("download")
    return params(
        client=_text(cells, "kind").lower() or None,
        group=_text(cells, "group") or None,
        variant=_text(cells, "name") or None,
        bandwidth_bits_per_s=_named(_megabits, cells, "bandwidth")
        or (_named(_megabits, cells, "upload") if both else None),
        upload_bits_per_s=None if both else _named(_megabits, cells, "upload"),
        download_bits_per_s=None if both else _named(_megabits, cells, "download"),
        latency_s=_named(_latency, cells, "latency"),
        upload_latency_s=_named(_latency, cells, "upload_delay"),
        download_latency_s=_named(_latency, cells, "download_delay"),
        protocol_latency_s=_named(_latency, cells, "protocol_latency"),
        app_latency_s=_named(_latency, cells, "app_latency"),
        request_size=_named(durations.count, cells, "upload_size"),
        response_size=_named(durations.count, cells, "download_size"),
        defer_decryption=_text(cells, "defer_decryption").lower() or None,
        memory_profile=_text(cells, "memory_profile").lower() or None,
    )


def _named(parse: Callable[[str], _T], cells: Cells, column: str) -> _T:
    """Return what ``parse`` makes of a cell; its SitegenError then names the column."""
    try:
        return parse(cells.get(column, ""))
    except SitegenError as error:
        raise SitegenError(f"{column}: {error.what}") from None


def _text(cells: Cells, column: str) -> str:
    text = cells.get(column, "").strip()
    if not re.fullmatch(r"[\w .:/()+-]{0,80}", text, re.ASCII):
        raise SitegenError(f"{column}: {text[:40]!r} is not a name")
    return text


def _milliseconds(text: str) -> Quantity | None:
    return series.duration(text, "ms")


def _bytes(text: str, factor: int = 1) -> Quantity | None:
    found = durations.count(text)
    printed = text.strip() + (" KB" if factor != 1 else "")
    return None if found is None else Quantity(float(found * factor), printed)


def _megabits(text: str) -> str | None:
    found = durations.number(text)
    return None if found is None else f"{float(Fraction(repr(found)) * _MEGABIT):.0f}"


def _latency(text: str) -> str | None:
    """Return seconds; a latency of 0 is one that was asked for."""
    found = durations.seconds(text, "ms")
    return "0" if found is None and text.strip() else None if found is None else repr(found)


PRIMUS = Reader(
    "zktls-bench",
    "zktls-bench CSV (Primus)",
    knows_primus,
    read_primus,
    series.asks("prover", "prover_version"),
)
TLSNOTARY = Reader(
    "tlsnotary",
    "TLSNotary metrics.csv",
    knows_tlsnotary,
    read_tlsnotary,
    series.asks("prover_version", "time_unit"),
)
