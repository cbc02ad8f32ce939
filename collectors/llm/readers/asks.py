"""What a tool's output may not say, and the user does: the forms of the readers here."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import msgspec

from sitegen.collect import Count, Positive, Settings, described

_Name: TypeAlias = Annotated[str, msgspec.Meta(max_length=200)]
_Engine: TypeAlias = Annotated[
    _Name | None, described("what served it: vllm, sglang, llama.cpp, ollama ...")
]
_Threads: TypeAlias = Annotated[
    Count | None, described("CPU threads that the server computed with")
]
_Cpus: TypeAlias = Annotated[
    Positive | None, described("CPUs that the server might use (docker --cpus, a cgroup's quota)")
]


class Asks(Settings, frozen=True):
    """What was run."""

    model: Annotated[
        _Name | None, described("name of the model, where the file does not say it")
    ] = None
    weights: Annotated[Literal["real", "random"] | None, described("of the model")] = None


class Computed(Asks, frozen=True):
    """An engine without a server."""

    threads: _Threads = None
    cpus: _Cpus = None


class Lengths(Asks, frozen=True):
    """Requests of one length."""

    input_tokens: Annotated[Count | None, described("nominal length of a prompt")] = None
    output_tokens: Annotated[Count | None, described("nominal length of an answer")] = None


class Batches(Lengths, frozen=True):
    """Requests that an engine works on together."""

    batch_size: Annotated[Count | None, described("prompts in one batch")] = None


class ComputedLengths(Lengths, frozen=True):
    """Requests of one length, and what their server had to compute with."""

    threads: _Threads = None
    cpus: _Cpus = None


class ComputedServed(ComputedLengths, frozen=True):
    """The same where the output does not tell the server."""

    engine: _Engine = None


class Served(Lengths, frozen=True):
    """Requests to a server."""

    engine: _Engine = None


class Judged(Served, frozen=True):
    """Requests that had to meet an objective."""

    slo: Annotated[
        _Name | None,
        described("the objective that goodput was counted with, such as ttft=2s,tpot=100ms"),
    ] = None


class Load(Judged, frozen=True):
    """Requests of a load."""

    concurrency: Annotated[
        Count | None, described("requests under way at once, in a closed loop")
    ] = None
    rate: Annotated[
        Positive | None, described("requests a second that were sent, in an open loop")
    ] = None
