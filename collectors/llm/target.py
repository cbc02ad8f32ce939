"""What is measured: llama.cpp's server, started here with random weights, or one at an address.

And what ``--set`` may change of that.
"""

from __future__ import annotations

import importlib.metadata
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal, TypeAlias
from urllib.parse import urlsplit

from msgspec import Meta, Struct, field

from collectors.llm import api
from collectors.llm.api import Api
from sitegen.collect import Settings, described
from sitegen.errors import SitegenError
from sitegen.model import Comparability, Parameter

# `server` and `weights` are also programs (python -m), which the package must not load for
# them: they are imported where they are needed.
_OLLAMA = "http://127.0.0.1:11434"
#: A prompt may be longer than asked: the beginning of a text, and words of two tokens.
_CONTEXT_STEP, _LEAST_CONTEXT, _TEMPLATE_TOKENS = 256, 512, 64


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
_OURS = ("model_size", "server_threads", "slots", "threads")
_THEIRS = (
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


class Target(Struct, frozen=True):
    """Where it is, and what is known of it; ``started`` are settings of the server started here."""

    url: str
    public_url: str  # as it is archived: without the host of a machine that is not this one
    model: str
    series: Mapping[str, str | None]  # model, engine, weights as they tell series apart
    parameters: tuple[Parameter, ...]
    options: Mapping[str, str] = field(default_factory=dict)
    started: Mapping[str, str] = field(default_factory=dict)


def target(settings: SETTINGS, names: Mapping[str, str]) -> Target:
    """Return what a user asks to be measured; ``names`` has the settings that were given.

    Raises SitegenError for a setting of the other kind of server, for what cannot be met, and
    without an address when the server that would be started is not installed.
    """
    local = settings.url is None and settings.api != "ollama"
    kind, fix = "the server that is started", "leave it out"
    if local:
        kind, fix = "a server at an address", "give that address with --set llm.url="
    for name in _THEIRS if local else _OURS:
        if name in names:
            raise SitegenError(f"the setting is of {kind}", where=f"--set llm.{name}", fix=fix)
    return _to_start(settings) if local else _at_address(settings)


def _parameters(version: str, **must_match: str) -> Iterator[Parameter]:
    for name, value in must_match.items():
        yield Parameter(name, value, Comparability.MUST_MATCH)
    yield Parameter("server_version", version, Comparability.CAVEAT)


def _to_start(settings: SETTINGS) -> Target:
    from collectors.llm import server, weights

    if absent := server.missing():
        text = f"without an address llm measures a server of its own, and {absent} is not installed"
        fix = f"{server.INSTALL}, or give an address with --set llm.url="
        raise SitegenError(text, where="llm", fix=fix)
    tokens = settings.input_tokens * 5 // 4 + settings.output_tokens + _TEMPLATE_TOKENS
    context = max(_LEAST_CONTEXT, -(-tokens // _CONTEXT_STEP) * _CONTEXT_STEP)
    if context > weights.CONTEXT:
        message = f"prompt and answer need {context} tokens and the model holds {weights.CONTEXT}"
        fix = "ask for fewer tokens, or measure a server of your own with --set llm.url="
        raise SitegenError(message, where="--set llm.input_tokens", fix=fix)
    name, cached = weights.model_name(settings.model_size), settings.prompt == "shared"
    served = {"server_threads": str(settings.server_threads), "slots": str(settings.slots)}
    shared = _parameters(
        f"xllamacpp {importlib.metadata.version('xllamacpp')}",
        api=settings.api,
        access="loopback",
        channel="plain",
        quantisation=weights.SIZES[settings.model_size].quantisation,
        context_tokens=str(context),
        **served,
        weights="random",
    )
    return Target(
        url="",  # it has one when it is up
        public_url="http://[started-server]",
        model=name,
        series={"model": name, "engine": "llama.cpp", "weights": "random"},
        parameters=(
            *shared,
            Parameter("model_architecture", weights.ARCHITECTURE),
            Parameter("model_parameters", str(weights.parameters(settings.model_size))),
        ),
        started={
            "model_size": settings.model_size,
            "context": str(context),
            "cache_prompt": "yes" if cached else "no",
            **served,
        },
    )


def _at_address(settings: SETTINGS) -> Target:
    """Return a server of the user's own; raises SitegenError for a key or file that is not."""
    url = settings.url or _OLLAMA
    try:
        api.address(url, settings.api)
    except SitegenError as error:
        fix = error.fix.replace("--key-env", "--set llm.key_env=")
        raise SitegenError(error.what, where="--set llm.url", fix=fix) from None
    if settings.model is None:
        fix = "its name as the server lists it (GET /v1/models, or `ollama list`)"
        raise SitegenError("the model is not named", where="--set llm.model", fix=fix)
    options = {}
    if key := settings.key_env:
        if not re.fullmatch(r"[A-Za-z_]\w*", key) or key not in os.environ:
            # It may be the key itself, so it is not repeated.
            message = "there is no environment variable of that name"
            fix = "put the key into one, and give its name here"
            raise SitegenError(message, where="--set llm.key_env", fix=fix)
        options["key-env"] = key
    if settings.ca:
        if not Path(settings.ca).is_file():
            raise SitegenError("there is no such file", where="--set llm.ca")
        options["ca"] = str(Path(settings.ca).absolute())
    scheme, near = urlsplit(url).scheme, api.is_near(url)
    # A model that a server names by its path is known by the last part of it.
    name = settings.model.rpartition("/")[2] if settings.model.startswith("/") else settings.model
    engine = settings.engine or ("ollama" if settings.api == "ollama" else None)
    shared = _parameters(
        settings.engine_version,
        api=settings.api,
        access=settings.access or ("loopback" if near else "direct"),
        channel="tls" if scheme == "https" else "plain",
        quantisation=settings.quantisation,
        weights=settings.weights,
    )
    return Target(
        url=url,
        public_url=url if near else f"{scheme}://[{api.HIDDEN}]",
        model=settings.model,
        series={"model": settings.name or name, "engine": engine, "weights": settings.weights},
        parameters=tuple(shared),
        options=options,
    )
