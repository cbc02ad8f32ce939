"""What several tools tell alike: metrics of their own, statistics, and how many requests failed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from collectors.llm import measures
from sitegen.collect import Recorder, Series
from sitegen.model import MetricDefinition, params


def definitions(text: str) -> tuple[MetricDefinition, ...]:
    """Return the metrics that ``text`` defines, a paragraph each.

    Its first line is ``id | title | unit | better``, the id without its ``llm.``; the others are
    the definition.
    """
    paragraphs = (each.splitlines() for each in text.strip().split("\n\n"))
    return tuple(
        MetricDefinition(f"llm.{name}", title, unit, better, " ".join(words))
        for head, *words in paragraphs
        for name, title, unit, better in [head.split(" | ")]
    )


def distribution(values: Sequence[float]) -> dict[str, float]:
    """Return mean, stddev, min, max, and each percentile that one value can lie beyond.

    Percentiles by linear interpolation and the population's standard deviation, as NumPy and
    with it vLLM's benchmark compute them by default. Empty for no values.
    """
    if not values:
        return {}
    ordered = sorted(values)
    figures = measures.averages(ordered)
    if len(ordered) > 1:
        mean = figures["mean"]
        variance = math.fsum((value - mean) ** 2 for value in ordered) / len(ordered)
        figures |= {"min": ordered[0], "max": ordered[-1], "stddev": math.sqrt(variance)}
    return figures


def failures(series: Series, good: int, bad: Mapping[str, tuple[int, str]]) -> None:
    """Add how many requests there were and how many failed, in all and by cause.

    ``bad`` has the count and the tool's own name by cause; a cause without a request is left
    out.
    """
    failed = sum(count for count, _ in bad.values())
    names = ", ".join(dict.fromkeys(name for _, name in bad.values()))
    series.add("llm.requests", "value", float(good + failed), native=f"completed and {names}")
    series.add("llm.failed_requests", "value", float(failed), native=names)
    for cause, (count, name) in bad.items():
        if count:
            about = params(reason=cause)
            series.add("llm.failed_requests", "value", float(count), native=name, about=about)
    if good + failed:
        series.add("llm.error_rate", "value", failed / (good + failed), native=names)


def note_crowd(recorder: Recorder, threads: int | None, cpus: float | None) -> None:
    """Note where a server had more threads than CPUs: that undoes any comparison."""
    if threads and cpus and threads > cpus:
        recorder.note(
            f"{threads} threads with {cpus:g} CPU(s) to use: under a quota they wait for one "
            "another, and the rate says more of that than of the machine."
        )
