"""Collecting what one file says, in our metrics and under the tool's own names."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from collectors.llm.measures import percentile
from collectors.llm.readers.documents import plain
from sitegen.collect import Reading, histogram
from sitegen.errors import SitegenError
from sitegen.model import (
    STATISTICS,
    Comparability,
    Fact,
    Measurement,
    MetricDefinition,
    Parameter,
    Params,
    Sample,
    Status,
    ToolIdentity,
    params,
)

MAX_SAMPLES = 1_000_000
#: What a file may not say, and a line of help for each.
ASKS: Mapping[str, str] = {
    "model": "name of the model, where the file does not say it",
    "engine": "what served it: vllm, sglang, llama.cpp, ollama ...",
    "weights": "real or random",
    "threads": "CPU threads that the server computed with",
    "cpus": "CPUs that the server might use (docker --cpus, a cgroup's quota)",
    "input_tokens": "nominal length of a prompt",
    "output_tokens": "nominal length of an answer",
    "batch_size": "prompts in one batch",
    "concurrency": "requests under way at once, in a closed loop",
    "rate": "requests a second that were sent, in an open loop",
    "slo": "the objective that goodput was counted with, such as ttft=2s,tpot=100ms",
}
_WHOLE = {"threads", "input_tokens", "output_tokens", "batch_size", "concurrency"}
_DECIMAL = {"cpus", "rate"}
_WEIGHTS = {"real", "random"}
_SECONDS = (
    *("ttft", "ttft_scheduled", "tpot", "inter_chunk_latency", "itl"),
    *("decode_time", "e2e_latency", "load_time"),
)
_RATES = (
    *("decode_rate_per_request", "output_token_throughput", "total_token_throughput"),
    *("eval_rate", "prompt_eval_rate"),
)
_COUNTS = ("requests", "failed_requests", "cached_tokens", "input_tokens", "output_tokens")
UNITS: Mapping[str, str] = {
    **dict.fromkeys(_SECONDS, "s"),
    **dict.fromkeys(_RATES, "tokens/s"),
    **dict.fromkeys(_COUNTS, "count"),
    "request_throughput": "1/s",
    "goodput": "1/s",
    "error_rate": "ratio",
}
_PERCENTILES = ((50, 2), (90, 10), (95, 20), (99, 100))
_MICRO = 1e6


def given(asks: Mapping[str, str], settings: Mapping[str, str]) -> dict[str, str]:
    """Return the user's ``--set`` values when each is asked for and usable.

    Raises SitegenError otherwise.
    """
    found = {}
    for name, value in settings.items():
        where = f"--set {name}"
        if name not in asks:
            known = ", ".join(sorted(asks))
            raise SitegenError("is not asked for here", where=where, fix=f"it takes {known}")
        text = plain(value.strip(), where)
        if not text:
            raise SitegenError("is empty", where=where)
        if name in _WHOLE and not re.fullmatch(r"[1-9]\d{0,9}", text):
            raise SitegenError(f"{text!r} is not a whole number above 0", where=where)
        if name in _DECIMAL and not re.fullmatch(r"(?!0+(?:\.0*)?$)\d{1,6}(?:\.\d{1,6})?", text):
            raise SitegenError(f"{text!r} is not a number above 0", where=where)
        if name == "weights" and text not in _WEIGHTS:
            raise SitegenError(f"{text!r} is neither real nor random", where=where)
        found[name] = text
    return found


def distribution(values: Sequence[float]) -> dict[str, float]:
    """Return mean, stddev, min, max, and each percentile that one value can lie beyond.

    Percentiles by linear interpolation and the population's standard deviation, as NumPy and
    with it vLLM's benchmark compute them by default. Empty for no values.
    """
    if not values:
        return {}
    ordered = sorted(values)
    mean = math.fsum(ordered) / len(ordered)
    found = {"mean": mean}
    if len(ordered) > 1:
        spread = math.fsum((value - mean) ** 2 for value in ordered) / len(ordered)
        found |= {"min": ordered[0], "max": ordered[-1], "stddev": math.sqrt(spread)}
    for percent, least in _PERCENTILES:
        if len(ordered) >= least:
            found[f"p{percent}"] = percentile(ordered, percent)
    return found


def near(one: float, other: float, share: float) -> bool:
    """Tell whether two values that should be the same are, within ``share`` of the larger."""
    return abs(one - other) <= share * max(abs(one), abs(other))


@dataclass(slots=True)
class Finding:
    """What is found of one run while its file is read; `found` closes it.

    A series that is added again counts as its next repetition. ``definitions`` are those of
    the metrics that the tool has and we have not; the run carries the ones it uses.
    """

    tool: ToolIdentity
    definitions: Mapping[str, MetricDefinition] = field(default_factory=dict)
    started_at: str = ""
    duration_s: float | None = None
    measurements: list[Measurement] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    parameters: dict[str, Parameter] = field(default_factory=dict)
    facts: list[Fact] = field(default_factory=list)
    _natives: dict[str, str] = field(default_factory=dict)
    _used: dict[str, MetricDefinition] = field(default_factory=dict)
    _notes: dict[str, None] = field(default_factory=dict)
    _times: Counter[tuple[object, ...]] = field(default_factory=Counter)

    def series(self, workload: str, **pairs: object) -> Series:
        """Return a writer for the series that ``pairs`` tell from others; None is left out."""
        return Series(self, workload, params(**pairs))

    def set(self, name: str, value: object, kind: Comparability = Comparability.MUST_MATCH) -> None:
        """Record one setting of the run; None is left out."""
        if value is not None:
            self.parameters[name] = Parameter(name, str(value), kind)

    def fact(self, name: str, value: str | None, source: str) -> None:
        """Record what the file says of the machine; None is left out."""
        if value is not None:
            self.facts.append(Fact(name, value, source))

    def note(self, sentence: str) -> None:
        """Record a doubt, once."""
        self._notes[sentence] = None

    def found(self) -> Reading:
        """Return all of it; raises SitegenError when there is no value at all."""
        if not self.measurements:
            raise SitegenError("there is no measurement in it")
        return Reading(
            measurements=tuple(self.measurements),
            samples=tuple(self.samples),
            tool=self.tool,
            parameters=tuple(self.parameters.values()),
            definitions=tuple(self._used.values()),
            natives=tuple(self._natives.items()),
            facts=tuple(self.facts),
            started_at=self.started_at,
            duration_s=self.duration_s,
            notes=tuple(self._notes),
        )

    def unit_of(self, metric: str) -> str:
        """Return the base unit of a metric, ours or the tool's own, and carry its definition."""
        if metric in self.definitions:
            self._used[metric] = self.definitions[metric]
            return self.definitions[metric].unit
        return UNITS[metric.removeprefix("llm.")]

    def put(self, row: Measurement, native: str) -> None:
        """Add one measurement as the next repetition of its series."""
        key = (row.workload, row.metric, row.statistic, row.params)
        self.measurements.append(row._replace(repetition=self._times[key]))
        self._times[key] += 1
        self._natives.setdefault(f"{row.metric} {row.statistic}", native)

    def point(self, sample: Sample) -> None:
        """Add one sample; raises SitegenError when there are too many."""
        if len(self.samples) >= MAX_SAMPLES:
            raise SitegenError(
                f"more than {MAX_SAMPLES} samples", fix="leave out the records of single requests"
            )
        self.samples.append(sample)


@dataclass(frozen=True, slots=True)
class Series:
    """Writes the measurements and samples of one workload with one set of parameters."""

    finding: Finding
    workload: str
    params: Params

    def add(  # noqa: PLR0913 - one measurement has as many sides
        self,
        metric: str,
        statistic: str,
        value: float | None,
        native: str,
        *,
        status: Status = Status.OK,
        printed: str | None = None,
        extra: Params = (),
    ) -> None:
        """Add one value in its base unit; None is left out.

        ``native`` is the tool's own name of it.
        """
        if value is None or statistic not in STATISTICS:
            return
        unit = self.finding.unit_of(metric)
        pairs = tuple(sorted((*self.params, *extra)))
        row = Measurement(self.workload, metric, statistic, unit, value, pairs, 0, status, printed)
        self.finding.put(row, native)

    def spread(
        self,
        metric: str,
        values: Mapping[str, float],
        native: str,
        status: Status = Status.OK,
    ) -> None:
        """Add statistics that were computed here from the tool's own single values."""
        for statistic, value in values.items():
            self.add(metric, statistic, value, native, status=status)

    def points(
        self, metric: str, pairs: Iterable[tuple[float, float]], repetition: int = 0
    ) -> None:
        """Add samples of requests: seconds since the start, and the value."""
        for x, y in pairs:
            self.finding.point(
                Sample(self.workload, repetition, "request", metric, x, y, self.params)
            )

    def bins(self, metric: str, values: Iterable[float], repetition: int = 0) -> None:
        """Add times in seconds as a histogram of at most 60 bins, made on whole microseconds."""
        counts = Counter(round(value * _MICRO) for value in values)
        for micros, times in histogram.coarse(counts):
            self.finding.point(
                Sample(
                    self.workload,
                    repetition,
                    "histogram",
                    metric,
                    micros / _MICRO,
                    float(times),
                    self.params,
                )
            )


def failures(series: Series, good: int, bad: Mapping[str, tuple[int, str]]) -> None:
    """Add how many requests there were and how many failed, in all and by cause.

    ``bad`` has the count and the tool's own name by cause; a cause without a request is left
    out.
    """
    failed = sum(count for count, _ in bad.values())
    names = ", ".join(dict.fromkeys(name for _, name in bad.values()))
    series.add("llm.requests", "value", float(good + failed), f"completed and {names}")
    series.add("llm.failed_requests", "value", float(failed), names)
    for cause, (count, name) in bad.items():
        if count:
            extra = params(reason=cause)
            series.add("llm.failed_requests", "value", float(count), name, extra=extra)
    if good + failed:
        series.add("llm.error_rate", "value", failed / (good + failed), names)
