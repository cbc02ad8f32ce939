"""What ``--set`` may change of an LLM benchmark."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from msgspec import Meta

from collectors.llm.api import Api
from sitegen.collect import Settings, described

_Label: TypeAlias = Annotated[
    str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._:/@+-]*$", max_length=100)
]
_Model: TypeAlias = Annotated[
    str, Meta(pattern=r"^[A-Za-z0-9/][A-Za-z0-9 ._:/@+-]*$", max_length=200)
]
_Access: TypeAlias = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=32)]
_Requests: TypeAlias = Annotated[int, Meta(ge=1, le=1_000_000)]
_Threads: TypeAlias = tuple[Annotated[int, Meta(ge=1, le=1024)], ...]
_Streams: TypeAlias = tuple[Annotated[int, Meta(ge=1, le=4096)], ...]
_Rates: TypeAlias = tuple[Annotated[float, Meta(ge=0.001, le=99_999)] | Literal["none"], ...]

#: Settings of the server that is started, and of one at an address.
OURS = ("model_size", "server_threads", "slots", "threads")
THEIRS = (
    *("model", "name", "engine", "engine_version", "weights", "quantisation", "access"),
    *("key_env", "ca", "extensions"),
)


class SETTINGS(Settings, frozen=True):
    """What ``--set`` may change."""

    url: Annotated[
        str | None,
        described(
            "address of a server to measure, such as http://127.0.0.1:8000/v1, instead of the one"
            " that is started on loopback"
        ),
    ] = None
    api: Annotated[Api, described("interface of that server")] = "openai-chat"
    model: Annotated[_Model | None, described("the model's name at that address")] = None
    name: Annotated[
        _Label | None,
        described("what the model is called on the pages (default: its name at that address)"),
    ] = None
    engine: Annotated[
        _Label | None,
        described("what serves it, such as vllm (default: ollama where the api is; else not said)"),
    ] = None
    engine_version: Annotated[_Label, described("the version of what serves it")] = "unknown"
    weights: Annotated[
        Literal["real", "random"],
        described("random: the server at that address has no trained weights"),
    ] = "real"
    quantisation: Annotated[_Label, described("of the model at that address, such as fp8")] = (
        "unknown"
    )
    access: Annotated[
        _Access | None,
        described("how that address is reached, such as lan (default: loopback or direct)"),
    ] = None
    # Without a form: it may be the key itself, which an error would repeat.
    key_env: Annotated[
        str | None,
        described("name of the environment variable that holds the key for that address"),
    ] = None
    ca: Annotated[
        str | None,
        described("file with the certificate authority that is trusted for that address"),
    ] = None
    model_size: Annotated[
        Literal["tiny", "15m", "60m", "125m", "350m", "1b"],
        described("weights of the started server, about"),
    ] = "15m"
    server_threads: Annotated[
        int, described("of the started server, other than in the threads workload", ge=1, le=1024)
    ] = 1
    slots: Annotated[
        int, described("requests that the started server works on at once", ge=1, le=256)
    ] = 8
    threads: Annotated[
        _Threads, described("threads of the started server (default: 1,2,4,8 and all CPUs)")
    ] = ()
    concurrency: Annotated[
        _Streams, described("requests under way at once (default: 1,2,4,8,16)")
    ] = ()
    rates: Annotated[
        _Rates,
        described(
            "requests a second, arriving at random; none: leave that workload out (default: 1,2,4;"
            " at an address: none)"
        ),
    ] = ()
    input_tokens: Annotated[int, described("about how long a prompt is", ge=8, le=1_000_000)] = 128
    output_tokens: Annotated[int, described("how long an answer is", ge=2, le=100_000)] = 64
    requests: Annotated[
        _Requests | None,
        described("measured requests of each step (default: by concurrency and rate)"),
    ] = None
    connections: Annotated[
        Literal["fresh", "reuse"],
        described("fresh: each request connects; reuse: connections are kept"),
    ] = "fresh"
    prompt: Annotated[
        Literal["unique", "shared"],
        described("unique: no prompt begins as another; shared: all are the same"),
    ] = "unique"
    slo: Annotated[
        str, described("limits of a good request: TTFT/TPOT in seconds, such as 2/0.1, or names")
    ] = "mlperf-llama3.1-8b"
    extensions: Annotated[
        bool, described("no: send only the fields of OpenAI's own API, which refuses others")
    ] = True
    timeout_s: Annotated[int, described("limit of one request", ge=1, le=86_400)] = 300
