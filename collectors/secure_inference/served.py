"""The requests of all users of one step, together: their latency, as `collectors.llm` reads it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import msgspec

from collectors.llm import measures
from collectors.llm.measures import Exchange, Load
from collectors.secure_inference import timings
from sitegen.collect import Recorder
from sitegen.errors import SitegenError
from sitegen.model import Params, Status

#: What of a load is said of each step of the ladder.
QUANTITIES = ("e2e_latency", "ttft")
OUTSIDE = "outside_model_time"

_WANTED = {f"llm.{quantity}" for quantity in QUANTITIES}


def record(recorder: Recorder, printed: Sequence[bytes], workload: str, about: Params) -> None:
    """Write the latencies of what the users' load clients printed, and each request's.

    The users came one after the other: a sample's x counts from the first one's start. Raises
    SitegenError when not one request was answered.
    """
    loads = [measures.read(each) for each in printed]
    every = together(loads)
    if not every.ok:
        details = [each.detail or each.status for each in every.measured] or ["none was sent"]
        raise SitegenError(f"no request was answered: {details[-1]}", where=workload)
    rows = [r for r in measures.measurements(every, workload, about) if r.metric in _WANTED]
    for row in rows:
        recorder.put(row._replace(metric=_own(row.metric)), "")
    begun = 0.0
    for load in loads:
        recorder.samples += [
            each._replace(metric=_own(each.metric), x=begun + each.x)
            for each in measures.samples(load, workload, about)
            if each.metric in _WANTED
        ]
        begun += load.end.wall_s if load.end else 0.0
    outside = [took for each in every.ok if (took := outside_model_s(each)) is not None]
    series = recorder.series(workload, about, status=rows[0].status if rows else Status.OK)
    series.spread(_own(f"llm.{OUTSIDE}"), timings.summary(outside))


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
        loads[0],
        requests=tuple(each for load in loads for each in load.requests),
        end=end,
        notes=tuple(dict.fromkeys(note for load in loads for note in load.notes)),
    )


def _own(metric: str) -> str:
    return metric.replace("llm.", "secure-inference.", 1)
