"""The CSV of interactive zkTLS: TLSNotary's metrics.csv and the one of primus-labs/zktls-bench.

Such a protocol costs time and traffic at a given bandwidth and latency; it has no proof to weigh
and no cycles. Two forms of TLSNotary are known by their columns: the older has ``runtime`` in
whole seconds, the newer ``time_preprocess``, ``time_online`` and ``time_total`` in milliseconds.
Between them the same names were in seconds, without ``uploaded_preprocess``: that form is not read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial

from collectors.zktls import quantities
from collectors.zktls.quantities import Quantity
from collectors.zktls.readers import proofs
from collectors.zktls.readers.proofs import Cells, cell
from sitegen.collect import Reader, Reading, Recorder, Settings
from sitegen.errors import SitegenError
from sitegen.model import Params, ToolIdentity, params

_STATEMENT = "tls-session"
_COLUMNS = {"kind", "name", "latency(ms)", "send_bytes(B)", "recv_bytes(B)", "cost(ms)"}
#: Its own header is misspelt in some files.
_BANDWIDTH, _MISSPELT = "bandwidth(Mbps)", "bandwith(Mbps)"
_PRIMUS = ({*_COLUMNS, _BANDWIDTH}, {*_COLUMNS, _MISSPELT})
_TLSNOTARY = (
    {"runtime", "uploaded", "downloaded", "upload_delay"},
    {"time_preprocess", "time_online", "time_total", "uploaded_preprocess"},
)
#: Column -> metric, and its unit.
_METRICS: Mapping[str, tuple[str, str]] = {
    "cost(ms)": ("total_time", "ms"),
    "runtime": ("total_time", "s"),
    "time_preprocess": ("offline_time", "ms"),
    "time_online": ("online_time", "ms"),
    "time_total": ("total_time", "ms"),
    **dict.fromkeys(("send_bytes(B)", "uploaded", "uploaded_total"), ("bytes_sent", "B")),
    **dict.fromkeys(("recv_bytes(B)", "downloaded", "downloaded_total"), ("bytes_received", "B")),
    "memory(KB)": ("peak_memory", "KB"),
    "heap_max_bytes": ("peak_memory", "B"),
}
#: Column -> parameter; how its cells are read follows from the parameter's name.
_PARAMETERS = {
    "kind": "client",
    "group": "group",
    "name": "variant",
    **dict.fromkeys((_BANDWIDTH, _MISSPELT, "bandwidth"), "bandwidth_bits_per_s"),
    "upload": "upload_bits_per_s",
    "download": "download_bits_per_s",
    **dict.fromkeys(("latency(ms)", "latency"), "latency_s"),
    "upload_delay": "upload_latency_s",
    "download_delay": "download_latency_s",
    "protocol_latency": "protocol_latency_s",
    "app_latency": "app_latency_s",
    **dict.fromkeys(("request_size(B)", "upload_size"), "request_size"),
    **dict.fromkeys(("response_size(B)", "download_size"), "response_size"),
    "defer_decryption": "defer_decryption",
    "memory_profile": "memory_profile",
}


class TlsnotaryAsks(Settings, frozen=True):
    """What a file of TLSNotary does not say."""

    prover_version: proofs.Version = ""


class PrimusAsks(TlsnotaryAsks, frozen=True):
    """What a file of zktls-bench does not say."""

    prover: proofs.Prover = ""


def read(data: bytes, asks: TlsnotaryAsks) -> tuple[Reading, ...]:
    """Return one run with every line.

    Primus' ``cost`` is the time of one attestation as a whole; preprocessing is the offline time.
    """
    forms, prover = _TLSNOTARY, "tlsnotary"
    if isinstance(asks, PrimusAsks):
        forms, prover = _PRIMUS, proofs.answer(asks, "prover")
    tool, columns = ToolIdentity(prover, asks.prover_version), proofs.first_row(data)
    natives = {f"zktls.{metric}": name for name, (metric, _) in _METRICS.items() if name in columns}
    recorder = Recorder(tool=tool, natives=natives)
    for line, cells in proofs.csv_rows(data, *forms):
        with proofs.at(f"line {line}"):
            series = recorder.series(_STATEMENT, _about(cells, tool.name))
            for column, (metric, unit) in _METRICS.items():
                if quantity := cell(cells, column, partial(_quantity, unit)):
                    statistic = "max" if metric == "peak_memory" else "value"
                    scope = params(time_scope="total" if metric == "total_time" else None)
                    series.add(f"zktls.{metric}", statistic, *quantity, about=scope)
    times = [row.value or 0.0 for row in recorder.measurements if row.metric == "zktls.total_time"]
    if times and not any(time % 1 for time in times):
        recorder.note("The times are whole seconds: shorter differences do not show.")
    return (recorder.reading(),)


def _quantity(unit: str, text: str) -> Quantity | None:
    if unit in ("s", "ms"):
        return quantities.duration(text, unit)
    factor, suffix = (1024, " KB") if unit == "KB" else (1, "")
    count = quantities.count(text)
    return Quantity(float(count * factor), text.strip() + suffix) if count else None


def _about(cells: Cells, prover: str) -> Params:
    """Return the parameters of a line: one bandwidth, or that of each direction."""
    pairs = {
        parameter: cell(cells, column, partial(_value, parameter))
        for column, parameter in _PARAMETERS.items()
        if column in cells
    }
    if pairs.get("upload_bits_per_s") == pairs.get("download_bits_per_s"):
        upload = pairs.pop("upload_bits_per_s", None)
        pairs.pop("download_bits_per_s", None)
        pairs["bandwidth_bits_per_s"] = pairs.get("bandwidth_bits_per_s") or upload
    system = "interactive"
    return params(
        **pairs, statement=_STATEMENT, prover=prover, proof_system=system, proof_mode=system
    )


def _value(parameter: str, text: str) -> object:
    """Return what a cell says of a parameter; a latency of 0 is one that was asked for."""
    text = text.strip()
    if parameter.endswith("bits_per_s"):
        rate = quantities.number(text)
        return None if rate is None else f"{float(rate * 10**6):.0f}"
    if parameter.endswith("latency_s"):
        latency = quantities.duration(text, "ms")
        return repr(latency.value) if latency else "0" if text else None
    if parameter.endswith("_size"):
        return quantities.count(text)
    if not re.fullmatch(r"[\w .:/()+-]{0,80}", text, re.ASCII):
        raise SitegenError(f"{text[:40]!r} is not a name")
    return (text if parameter in ("group", "variant") else text.lower()) or None


_KNOWN, _OWN = proofs.naming(*_PRIMUS), proofs.naming(*_TLSNOTARY)
PRIMUS = Reader("zktls-bench", "zktls-bench CSV (Primus)", _KNOWN, read, PrimusAsks)
TLSNOTARY = Reader("tlsnotary", "TLSNotary metrics.csv", _OWN, read, TlsnotaryAsks)
