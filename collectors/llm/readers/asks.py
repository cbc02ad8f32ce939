"""What a tool's output may not say, and the user does: the forms that several readers have."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import msgspec

from sitegen.collect import Count, Positive, Settings, described

Name: TypeAlias = Annotated[str, msgspec.Meta(max_length=200)]
_Threads: TypeAlias = Annotated[
    Count | None, described("CPU threads that the server computed with")
]
_Cpus: TypeAlias = Annotated[
    Positive | None, described("CPUs that the server might use (docker --cpus, a cgroup's quota)")
]


class Asks(Settings, frozen=True):
    """What was run."""

    model: Annotated[
        Name | None, described("name of the model, where the file does not say it")
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


class Served(Lengths, frozen=True):
    """Requests to a server."""

    engine: Annotated[
        Name | None, described("what served it: vllm, sglang, llama.cpp, ollama ...")
    ] = None


class Judged(Served, frozen=True):
    """Requests that had to meet an objective."""

    slo: Annotated[
        Name | None,
        described("the objective that goodput was counted with, such as ttft=2s,tpot=100ms"),
    ] = None


class ServedHere(Served, frozen=True):
    """Requests to a server on CPUs."""

    threads: _Threads = None
    cpus: _Cpus = None
