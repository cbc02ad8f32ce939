"""What the figures of one series must be to each other, whichever tool wrote them.

A percentile is no smaller than a lower one, a request no shorter than its first token; requests
under way are their rate times their latency (Little's law); tokens are input and output together.
"""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from sitegen.collect import Recorder
from sitegen.model import Doubt, Params

_TIMES = ("ttft", "tpot", "inter_chunk_latency", "e2e_latency")
#: Rounding, and sums that a tool made in another order.
_SLACK = 0.005
#: Rates of which a tool measures each over a window of its own.
_APART = 0.1
#: A mean over requests is not that over tokens; a wrong unit makes it a thousand.
_FAR, _NEAR = 3.0, 1.15
#: More requests at once than the load allows; fewer, in a closed loop; and only another unit.
_OVER, _ROUGHLY, _UNDER, _UNIT = 1.05, 1.5, 0.5, 20.0
#: Rounds of a closed loop from which its beginning and its end do not matter.
_ROUNDS = 8

Figures = Mapping[tuple[str, str], float]


class Group(NamedTuple):
    """The figures of one series, by metric and statistic, and its load."""

    figures: Figures
    load: Params
    duration_s: float | None

    def value(self, metric: str, *statistics: str) -> float | None:
        """Return the first of these statistics that there is."""
        found = (self.figures.get((metric, each)) for each in statistics or ("value",))
        return next((value for value in found if value), None)

    def middle(self, metric: str) -> float | None:
        """Return the mean, or the median where there is none."""
        return self.value(metric, "mean", "p50")

    @property
    def good(self) -> float | None:
        """How many requests went well."""
        requests = self.value("requests")
        return requests and requests - (self.value("failed_requests") or 0)

    @property
    def alike(self) -> bool:
        """Whether all answers have one length, so that means add up."""
        tokens = self.value("output_tokens", "mean")
        means = [self.value(each, "mean") for each in ("ttft", "tpot", "e2e_latency")]
        return bool(tokens and all(means)) and dict(self.load).get("output_tokens") == f"{tokens:g}"

    @property
    def latency(self) -> float | None:
        """How long a request takes: as measured, or of its first token and the others."""
        if measured := self.middle("e2e_latency"):
            return measured
        return self.of_tokens

    @property
    def of_tokens(self) -> float | None:
        """How long a request takes by the times of its tokens."""
        first, each, tokens = (self.middle(m) for m in ("ttft", "tpot", "output_tokens"))
        tokens = tokens or float(dict(self.load).get("output_tokens", 0))
        return first + each * (tokens - 1) if first and each and tokens >= 1 else None


def consistent(recorder: Recorder, *, counted: bool = True) -> None:
    """Doubt each workload of which two figures contradict each other, and name both.

    ``counted`` says that the rates are of the run's whole duration, and not of a window in it.
    """
    for (workload, load), figures in _groups(recorder).items():
        group = Group(figures, load, recorder.duration_s)
        for check in (_ordered, _made_of, _rates, _longest, *((_count,) if counted else ())):
            for sentence in check(group):
                recorder.doubt(Doubt.INCONSISTENT, sentence, workload)
        for kind, sentence in _under_way(group):
            recorder.doubt(kind, sentence, workload)


def _groups(recorder: Recorder) -> Mapping[tuple[str, Params], Figures]:
    groups: defaultdict[tuple[str, Params, int], dict[tuple[str, str], float]] = defaultdict(dict)
    for row in recorder.measurements:
        if row.value is not None:
            place = (row.workload, row.params, row.repetition)
            groups[place][row.metric.removeprefix("llm."), row.statistic] = row.value
    return {(workload, load): figures for (workload, load, _), figures in groups.items()}


def apart(value: float, other: float, slack: float = _APART) -> bool:
    """Say whether two figures that should be the same are not."""
    return not math.isclose(value, other, rel_tol=slack)


def _ordered(group: Group) -> Iterator[str]:
    for metric in {metric: None for metric, _ in group.figures}:
        found = {each: v for (name, each), v in group.figures.items() if name == metric}
        percentiles = sorted((float(k[1:]), k) for k in found if k.startswith("p"))
        line = ["min"] * ("min" in found) + [k for _, k in percentiles] + ["max"] * ("max" in found)
        for low, high in itertools.pairwise(line):
            if found[low] > found[high] * (1 + _SLACK):
                yield f"{metric}: {low} is {found[low]:g}, and {high} {found[high]:g}"
        for end, sign in (("min", 1), ("max", -1)):
            if {"mean", end} <= found.keys() and sign * (found[end] - found["mean"]) > (
                _SLACK * found[end]
            ):
                yield f"{metric}: {end} is {found[end]:g}, and the mean {found['mean']:g}"
    for statistic in ("mean", "min", "max", "p50", "p90", "p95", "p99"):
        first, whole = (group.value(metric, statistic) for metric in ("ttft", "e2e_latency"))
        if first and whole and first > whole * (1 + _SLACK):
            yield (
                f"the first token comes after {first:g} s and the last after {whole:g} s "
                f"({statistic})"
            )


def _made_of(group: Group) -> Iterator[str]:
    """Hold a request's latency to its first token's and, for each other one, the time of one."""
    whole, parts = group.middle("e2e_latency"), group.of_tokens
    far = _NEAR if group.alike else _FAR
    if whole and parts and not 1 / far < whole / parts < far:
        why = "" if 1 / _FAR < whole / parts < _FAR else ": a unit is another"
        yield f"a request takes {whole:g} s, and its tokens {parts:g} s{why}"
    tpot, gap = group.middle("tpot"), group.middle("inter_chunk_latency")
    # An event may hold several tokens, but hardly a small part of one.
    if tpot and gap and tpot > _UNIT * gap:
        yield f"a token takes {tpot:g} s, and an event with tokens {gap:g} s"


def _rates(group: Group) -> Iterator[str]:
    requests, output, total = (
        group.value(f"{name}_throughput") for name in ("request", "output_token", "total_token")
    )
    sent, answer = (group.value(f"{name}_tokens", "mean") for name in ("input", "output"))
    if requests and output and answer and apart(output, requests * answer):
        yield (
            f"{output:g} output tokens/s are stated, and {requests:g} requests/s of {answer:g} "
            f"tokens are {requests * answer:g}"
        )
    if output and total and output > total * (1 + _SLACK):
        yield f"{output:g} output tokens/s are more than the {total:g} tokens/s in all"
    elif requests and total and sent and answer:
        parts = requests * (sent + answer)
        if apart(total, parts):
            yield (
                f"{total:g} tokens/s are stated, and {requests:g} requests/s of {sent:g} input "
                f"and {answer:g} output tokens are {parts:g}"
            )


def _count(group: Group) -> Iterator[str]:
    rate, seconds, good = group.value("request_throughput"), group.duration_s, group.good
    if rate and seconds and good and apart(rate * seconds, good):
        yield f"{good:g} requests went well, and {rate:g} a second for {seconds:g} s are others"


def _longest(group: Group) -> Iterator[str]:
    """No request takes longer than the test."""
    if not group.duration_s:
        return
    for metric in _TIMES:
        for statistic in ("max", "p99", "mean", "p50"):
            value = group.value(metric, statistic)
            if value and value > group.duration_s * (1 + _SLACK):
                test = f"the test took {group.duration_s:g} s"
                yield f"{metric} {statistic} is {value:g} s, and {test}"
                break


def _under_way(group: Group) -> Iterator[tuple[Doubt, str]]:
    """Hold requests a second times their latency to how many are under way at once."""
    load = dict(group.load)
    most = float(load.get("concurrency") or load.get("requests") or 0)
    rate, latency, over = group.value("request_throughput"), group.latency, _OVER
    answer = group.value("output_tokens", "mean") or float(load.get("output_tokens", 0))
    if not rate and answer:
        # Of a nominal length, and so of no exact number.
        rate, over = (group.value("output_token_throughput") or 0) / answer, _ROUGHLY
    if not (most and rate and latency):
        return
    said = f"{most:g} requests at once are stated"
    under_way = rate * latency
    found = f"{rate:g} requests/s of {latency:.4g} s are {under_way:.3g}"
    if under_way > over * most or under_way * _UNIT < min(most, group.good or most):
        yield Doubt.INCONSISTENT, f"{said}, and {found}"
    elif (
        under_way < _UNDER * most
        and "concurrency" in load
        and "rate" not in load
        and group.good == group.value("requests")
        and (group.good or 0) >= _ROUNDS * most
    ):
        yield Doubt.NOT_REACHED, f"{said}, and {found}"
