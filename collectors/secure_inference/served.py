"""The requests of all users of one step, together: their latency, as `collectors.llm` reads it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import msgspec

from collectors.llm import measures
from collectors.llm.measures import Exchange, Load
from collectors.secure_inference import timings
from sitegen.errors import SitegenError
from sitegen.model import Measurement, Params, Sample, Status

#: What of a load is said of each step of the ladder.
QUANTITIES = ("e2e_latency", "ttft")
OUTSIDE = "outside_model_time"

_THEIRS, _OURS = "llm.", "secure-inference."
_WANTED = {f"{_THEIRS}{quantity}" for quantity in QUANTITIES}


def read(
    printed: Sequence[bytes], workload: str, where: Params
) -> tuple[tuple[Measurement, ...], tuple[Sample, ...]]:
    """Return the latencies of what the users' load clients printed, and each request's.

    The users came one after the other: a sample's x counts from the first one's start. Raises
    SitegenError when not one request was answered.
    """
    loads = [measures.read(each) for each in printed]
    every = together(loads)
    if not every.ok:
        details = [each.detail or each.status for each in every.measured] or ["none was sent"]
        raise SitegenError(f"no request was answered: {details[-1]}", where=workload)
    rows = measures.measurements(every, workload, where)
    samples: list[Sample] = []
    begun = 0.0
    for load in loads:
        samples += [
            each._replace(metric=_own(each.metric), x=begun + each.x)
            for each in measures.samples(load, workload, where)
            if each.metric in _WANTED
        ]
        begun += load.end.wall_s if load.end else 0.0
    latencies = [row._replace(metric=_own(row.metric)) for row in rows if row.metric in _WANTED]
    status = next((row.status for row in latencies), Status.OK)
    outside = [took for each in every.ok if (took := outside_model_s(each)) is not None]
    latencies += [
        Measurement(workload, f"{_OURS}{OUTSIDE}", statistic, "s", value, where, status=status)
        for statistic, value in timings.summary(outside).items()
    ]
    return tuple(latencies), tuple(samples)


def outside_model_s(each: Exchange) -> float | None:
    """Return a request's latency less the server's own time for prompt and answer, or None.

    It holds what is between the client and the model: connection, channel, HTTP, queueing.
    """
    told = each.server
    if told is None or each.e2e_s is None or told.prompt_s is None or told.predicted_s is None:
        return None
    return max(each.e2e_s - told.prompt_s - told.predicted_s, 0.0)


def together(loads: Sequence[Load]) -> Load:
    """Return several loads as one: all requests, all doubts, and the worst lag of the clients."""
    first, *_ = loads
    ends = [load.end for load in loads if load.end is not None]
    end = None
    if len(ends) == len(loads):
        lags = [each.lag_p99_s for each in ends if each.lag_p99_s is not None]
        end = msgspec.structs.replace(
            ends[0],
            wall_s=sum(each.wall_s for each in ends),
            cpu_s=sum(each.cpu_s for each in ends),
            lag_p99_s=max(lags, default=None),
        )
    return dataclasses.replace(
        first,
        requests=tuple(each for load in loads for each in load.requests),
        end=end,
        notes=tuple(dict.fromkeys(note for load in loads for note in load.notes)),
    )


def _own(metric: str) -> str:
    return _OURS + metric.removeprefix(_THEIRS)
