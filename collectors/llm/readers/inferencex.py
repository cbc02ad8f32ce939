"""What InferenceX (InferenceMAX before) makes of a result of ``vllm bench serve``.

Keys as its utils/process_result.py writes them: times in seconds without a unit in the key, rates
by GPU, ``intvty`` for 1 / TPOT. How many requests there were and how long it took is not kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import msgspec

from collectors.llm.readers import checks, outputs, vllm
from sitegen.collect import Reader, Reading, Recorder, Series, decode
from sitegen.collect.decode import Number, Text, Whole
from sitegen.model import Comparability, Doubt, ToolIdentity

#: What else makes another set-up of it, and what stands for nothing of the kind. So does the
#: hardware: one label of an environment may stand for files of many machines.
_PARALLEL = ("tp", "pp", "ep", "dp_attention", "dcp_size", "pcp_size", "num_workers")
_SETTINGS = (
    *("precision", "spec_decoding", "spec_method", "mtp", "disagg", "is_multinode"),
    *_PARALLEL,
    *(f"{role}_{name}" for role in ("prefill", "decode") for name in (*_PARALLEL, "hw")),
    *("num_prefill_gpu", "num_decode_gpu", "kv_p2p_transfer", "benchmark_client"),
)
_NONE = {"", "none", "false", "off"}
#: Of these one is none: older files do not name them.
_SINGLE = ("pp", "ep", "dcp_size", "pcp_size")
_ASIDE = {"image": "image"}
_HARDWARE = ("hw", "hardware", "device")
#: Our metric -> the key of the whole, the key by GPU, and which GPUs those are: prompts and
#: answers may have their own.
_RATES = {
    "llm.total_token_throughput": ("total_tput_tps", "tput_per_gpu", "gpus"),
    "llm.output_token_throughput": ("output_tput_tps", "output_tput_per_gpu", "answer_gpus"),
}


class Result(msgspec.Struct, frozen=True):
    """One operating point."""

    conc: Whole
    isl: Whole | None = None
    osl: Whole | None = None
    date: Text | None = None
    model: Text | None = None
    framework: Text | None = None
    tp: Whole | None = None
    pp: Whole | None = None
    pcp_size: Whole | None = None
    disagg: bool | Text | None = None
    is_multinode: bool | Text | None = None
    num_prefill_gpu: Whole | None = None
    num_decode_gpu: Whole | None = None
    total_tput_tps: Number | None = None
    output_tput_tps: Number | None = None
    tput_per_gpu: Number | None = None
    output_tput_per_gpu: Number | None = None
    input_tput_per_gpu: Number | None = None
    output_tput_per_decode_gpu: Number | None = None

    @property
    def gpus(self) -> int | None:
        """All GPUs that served it."""
        apart = any(str(each).lower() == "true" for each in (self.disagg, self.is_multinode))
        if apart and self.num_prefill_gpu:
            return self.num_prefill_gpu + (self.num_decode_gpu or 0)
        ranks = self.tp and self.tp * (self.pp or 1) * (self.pcp_size or 1)
        return self.num_decode_gpu or ranks

    @property
    def answer_gpus(self) -> int | None:
        """The GPUs that the rate of answers is divided by: those of answers, where they are apart.

        Newer files have that rate under a name of its own, and divide by all.
        """
        if self.output_tput_per_decode_gpu is not None:
            return self.gpus
        return self.num_decode_gpu or self.gpus


def read(data: bytes, asks: outputs.Served) -> tuple[Reading, ...]:
    """Return one run for every operating point: one object, a list, or one a line."""
    return tuple(_run(each, asks) for each in decode.documents(data, dict[str, Any]))


def _run(document: Mapping[str, Any], asks: outputs.Served) -> Reading:
    if isinstance(metrics := document.get("metrics"), dict):  # as its database gives it out
        document = {**document, **metrics}
    result = decode.convert(document, Result)
    recorder = Recorder(ToolIdentity("InferenceX", ""))
    recorder.started_at = _date(result.date)
    for key, name in _ASIDE.items():
        if value := document.get(key):
            recorder.parameter(name, str(value)[:200], Comparability.CAVEAT)
    machines = (_setting(key, document.get(key)) for key in _HARDWARE)
    settings = {name: _setting(name, document.get(name)) for name in _SETTINGS}
    pairs = outputs.about(
        asks,
        result.model,
        **{name: value for name, value in settings.items() if value},
        hardware=next(filter(None, machines), None),
        engine=result.framework or None,
        concurrency=result.conc or None,
        input_tokens=result.isl or None,
        output_tokens=result.osl or None,
    )
    series = recorder.series("closed", pairs)
    times = vllm.figures(document, series, lambda _: 1.0, left_out=_is_unknown)
    for name, figures in times.items():
        for statistic, (key, value) in figures.items():
            series.add(vllm.TIMES[name], statistic, value or None, native=key)
    for sentence in _inverse(document, times):
        recorder.doubt(Doubt.INCONSISTENT, sentence, series.workload)
    _rates(result, series)
    recorder.note(
        "InferenceX's lengths are those that were asked for; how many requests there were, how "
        "many failed and how long it took is not in the file."
    )
    checks.consistent(recorder)
    outputs.unstated(series, asks, "model", "concurrency", *vllm.LENGTHS)
    return recorder.reading()


def _setting(name: str, value: object) -> str | None:
    """Return a setting as it tells series apart; None for what is as if it were not there."""
    text = str("" if value is None else value).strip()[:200]
    none = text.lower() in _NONE or (text == "1" and name.endswith(_SINGLE))
    return None if none or not text.isprintable() else text


def _date(text: str | None) -> str:
    """Return when it ran, where the file is of a database that knows."""
    try:
        return outputs.utc(datetime.fromisoformat(text)) if text else ""
    except ValueError:
        return ""


def _is_unknown(key: str) -> bool:
    return "intvty" not in key


def _inverse(document: Mapping[str, Any], times: vllm.Figures) -> Iterator[str]:
    """Hold what is 1 / TPOT to TPOT: of percentiles and means alike, as it is made so."""
    for key, seconds in times.get("tpot", {}).values():
        inverse = document.get(key.replace("tpot", "intvty"))
        if seconds and isinstance(inverse, int | float) and "std" not in key:
            rate = 1 / seconds
            if inverse and checks.apart(inverse, rate):
                name = key.replace("tpot", "intvty")
                yield f"{name} is {inverse:g} tokens/s, and {key} {seconds:g} s is {rate:g}"


def _rates(result: Result, series: Series) -> None:
    note = series.recorder.note
    for metric, (whole_key, key, whose) in _RATES.items():
        value, gpus = getattr(result, key), getattr(result, whose)
        if whole := getattr(result, whole_key):
            series.add(metric, "value", whole, native=whole_key)
        elif value and gpus:
            series.add(metric, "value", value * gpus, native=f"{key} * {gpus} GPU(s)")
            note("Rates are those by GPU in the file times its GPUs.")
        elif value:
            note(f"{key} is left out: the file does not say of how many GPUs.")
    parts, gpus = (result.input_tput_per_gpu, result.output_tput_per_gpu), result.gpus
    whole = result.tput_per_gpu
    # GPUs for prompts and for answers apart have each their own rate.
    if whole and None not in parts and gpus == result.answer_gpus:
        made = sum(filter(None, parts))
        if checks.apart(whole, made):
            sentence = f"tput_per_gpu is {whole:g}, and input and output are {made:g} together"
            series.recorder.doubt(Doubt.INCONSISTENT, sentence, series.workload)


def knows(data: bytes) -> bool:
    """Tell whether ``data`` has the keys of an operating point."""
    keys = (b'"conc"', b'"tput_per_gpu"') if b'"isl"' not in data else (b'"conc"', b'"osl"')
    return all(key in data for key in keys) and (b'_ttft"' in data or b'tput_per_gpu"' in data)


AGGREGATE = Reader(
    "inferencex", "InferenceX's aggregates (InferenceMAX: agg_*.json)", knows, read, outputs.Served
)
