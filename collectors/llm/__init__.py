"""Streaming inference: latency and throughput of a server, by concurrency, rate and threads.

Without an address it starts llama.cpp's server on loopback with a model of random weights.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
import json
import os
import re
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

from collectors.llm import api as dialects
from collectors.llm import measures
from collectors.llm.readers import READERS
from sitegen.collect import Host, Missing, Plan, RawOutput, Reading, Request, Step, timestamp
from sitegen.errors import SitegenError
from sitegen.model import (
    Comparability,
    Measurement,
    Parameter,
    Params,
    ToolIdentity,
    params,
)

__all__ = ["BENCHMARK", "READERS", "SETTINGS", "detect", "parse", "plan", "run"]

BENCHMARK = "llm"
_SLO = "mlperf-llama3.1-8b"
SETTINGS = {
    "url": "address of a server to measure, such as http://127.0.0.1:8000/v1, instead of the"
    " one that is started on loopback",
    "api": "openai-chat (default), openai-completions or ollama",
    "model": "the model's name at that address",
    "name": "what the model is called on the pages (default: its name at that address)",
    "engine": "what serves it, such as vllm (default: ollama where the api is; else not said)",
    "engine_version": "the version of what serves it (default: unknown)",
    "weights": "random: the server at that address has no trained weights (default: real)",
    "quantisation": "of the model at that address, such as fp8 (default: unknown)",
    "access": "how that address is reached, such as lan (default: loopback or direct)",
    "key_env": "name of the environment variable that holds the key for that address",
    "ca": "file with the certificate authority that is trusted for that address",
    "model_size": "of the started server: tiny, 15m, 60m, 125m, 350m or 1b (default: 15m)",
    "server_threads": "of the started server, other than in the threads workload (default: 1)",
    "slots": "requests that the started server works on at once (default: 8)",
    "threads": "comma-separated threads of the started server (default: 1,2,4,8 and all CPUs)",
    "concurrency": "comma-separated requests under way at once (default: 1,2,4,8,16)",
    "rates": "comma-separated requests a second, arriving at random; none: leave that workload"
    " out (default: 1,2,4; at an address: none)",
    "input_tokens": "about how long a prompt is (default: 128)",
    "output_tokens": "how long an answer is (default: 64)",
    "requests": "measured requests of each step (default: by concurrency and rate)",
    "connections": "fresh (default): each request connects; reuse: connections are kept",
    "prompt": "unique (default): no prompt begins as another; shared: all are the same",
    "slo": "limits of a good request, comma-separated: TTFT/TPOT in seconds, such as 2/0.1, or a"
    f" name (default: {_SLO})",
    "extensions": "no: send only the fields of OpenAI's own API, which refuses others",
    "timeout_s": "limit of one request (default: 300)",
}

# `server` and `weights` are also programs (python -m), which this module must not load for them:
# it imports them where it needs them.
_OLLAMA = "http://127.0.0.1:11434"
_DEFAULT_SIZE = "15m"
_CLIENT = "collectors.llm.client"
#: What stands for a host in what is archived: of an address, and of the started server.
_HIDDEN, _STARTED = "endpoint", "started-server"
_OURS = ("model_size", "server_threads", "slots", "threads")
_THEIRS = (
    "model",
    "name",
    "engine",
    "engine_version",
    "weights",
    "quantisation",
    "access",
    "key_env",
    "ca",
    "extensions",
)
_THREADS = (1, 2, 4, 8)
#: A prompt may be longer than asked: the beginning of a text, and words of two tokens.
_CONTEXT_STEP, _LEAST_CONTEXT, _TEMPLATE_TOKENS = 256, 512, 64
#: With how many at once the client warms up for an open loop, at most.
_WARMUP_STREAMS = 8
_SPARE_S = 300.0
_SAID = 200
#: Exit codes of the client: nothing could be sent, and it was used wrongly.
_GAVE_UP = (1, 2)
_LOG_BYTES = 1 << 16
_BYTES_A_WEIGHT = 4.0  # of the model that is made here, and its file
_MODEL = re.compile(r"[A-Za-z0-9/][A-Za-z0-9 ._:/@+-]{0,199}")
_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._:/@+-]{0,99}")
_OBJECTIVE = re.compile(r"(\d{1,4}(?:\.\d{1,4})?)/(\d{1,4}(?:\.\d{1,4})?)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Size:
    """How much work a preset does."""

    concurrencies: tuple[int, ...]
    rates: tuple[float, ...]
    threads: tuple[int, ...]
    requests: int  # of a closed step, at least
    rounds: int  # of all its streams, at least
    open_s: float
    warmup_blocks: int  # at most; three are needed to see that they agree
    limit_s: float  # of the measured part of a step


_SIZES = {
    "quick": Size((1, 4), (2.0,), (1,), 8, 2, 4.0, 1, 8.0),
    "standard": Size((1, 2, 4, 8, 16), (1.0, 2.0, 4.0), _THREADS, 32, 4, 25.0, 4, 120.0),
    "thorough": Size(
        (1, 2, 4, 8, 16, 32), (1.0, 2.0, 4.0, 8.0), _THREADS, 128, 8, 100.0, 10, 600.0
    ),
}


@dataclass(frozen=True, slots=True)
class Target:
    """What is measured: where it is, and what is known of it."""

    url: str
    shown: str  # as it is archived: without the host of a machine that is not this one
    api: str
    model: str
    access: str
    channel: str
    series: Mapping[str, str | None]  # model, engine, weights as they tell series apart
    quantisation: str
    server_version: str
    options: tuple[str, ...] = ()


def detect(host: Host) -> ToolIdentity | Missing:
    """Return the load client, which is ours; it needs aiohttp."""
    try:
        library = importlib.metadata.version("aiohttp")
    except importlib.metadata.PackageNotFoundError:
        return Missing("aiohttp", "pip install 'sitegen[llm]'")
    path = Path(__file__).with_name("client.py")
    own = importlib.metadata.version("sitegen")
    return host.identify("sitegen LLM client", str(path), f"{own} aiohttp {library}")


def plan(tool: ToolIdentity, request: Request) -> Plan:
    """Return the closed loops, the open ones and the sweep over the server's threads.

    Raises SitegenError for a setting that cannot be met, and without an address when the
    server that would be started is not installed.
    """
    given = request.settings
    size = _SIZES[request.preset]
    local = "url" not in given and given.get("api") != "ollama"
    loads = _loads(given, size, local=local)
    prompt = _one_of(given, "prompt", ("unique", "shared"))
    connections = _one_of(given, "connections", ("fresh", "reuse"))
    slo = given.get("slo", _SLO)
    objectives(slo)  # refuses what it cannot read
    context = [("folder", str(request.scratch)), ("slo", slo)]
    prepare: tuple[Step, ...] = ()
    needs_bytes = 0.0
    if local:
        from collectors.llm import weights

        target, about = _started(given, loads, prompt)
        path = _model_path(request.cache, about["model_size"])
        context += [*about.items(), ("started", "yes"), ("model_path", str(path))]
        prepare = (_model_step(about["model_size"], path, context),)
        needs_bytes = _BYTES_A_WEIGHT * weights.parameters(about["model_size"])
        counts = _threads(given, size, request.cpus)
    else:
        target, about, counts = _given(given), {}, ()
        context.append(("url", target.url))
        if target.shown != target.url:
            context.append(("hidden", "yes"))
    steps = []
    for name, load, threads in _points(loads, counts, about.get("server_threads")):
        shape = dict(load)
        where = params(
            **target.series,
            input_tokens=loads.input_tokens,
            output_tokens=loads.output_tokens,
            threads=threads,
            **shape,
        )
        workload = name.split("-")[0]
        steps.append(
            Step(
                name=name,
                workload=workload,
                argv=(
                    *(sys.executable, "-m", _CLIENT, "--url", target.shown, "--api", target.api),
                    *("--model", target.model, *target.options),
                    *(word for key, value in load for word in (f"--{key}", value)),
                    *_amount(given, size, shape),
                    *("--input-tokens", str(loads.input_tokens)),
                    *("--output-tokens", str(loads.output_tokens)),
                    *("--prompt", prompt, "--connections", connections),
                    *("--timeout-s", str(_whole(given, "timeout_s", 300, 1, 86400))),
                ),
                timeout_s=2 * size.limit_s + _SPARE_S,
                params=where,
                expects=_expected(workload, where),
                context=(*context, *([("threads", threads)] if threads else [])),
            )
        )
    return Plan(
        steps=tuple(steps),
        prepare=prepare,
        parameters=_parameters(tool, target, about, prompt, connections),
        about_s=sum(_about_s(step, size) for step in steps),
        about_bytes=needs_bytes,
    )


def run(step: Step, host: Host) -> RawOutput:
    """Run one step: start the server where there is none, then the load client."""
    if step.workload == "model":
        return _make_model(step)
    started = datetime.now(UTC)
    try:
        if step.get("started"):
            return _measure(step, host)
        raw = _load(step, step.get("url"), host)
        return _without_host(raw, step.get("url")) if step.get("hidden") else raw
    except (SitegenError, OSError) as error:
        return RawOutput(stderr=f"{error}\n".encode(), exit_code=1, started_at=timestamp(started))


def parse(step: Step, raw: RawOutput) -> Reading:
    """Return what the client recorded, and what was seen of a server that was started.

    Raises SitegenError when the output is not the client's, or no request ever went well.
    """
    # Of a client that was stopped, what it had written by then still counts.
    if raw.exit_code in _GAVE_UP or not raw.stdout:
        said = raw.stderr.decode("utf-8", "replace").strip().splitlines() or ["no message"]
        raise SitegenError(f"ended with code {raw.exit_code}: {said[-1][:_SAID]}", where=step.name)
    load = measures.read(raw.stdout)
    if load.requests and not any(each.ok for each in load.requests):
        first = load.requests[0]
        raise SitegenError(
            f"no request went well, the first: {first.status}: {first.detail or 'no message'}",
            where=step.name,
        )
    rows = measures.measurements(load, step.workload, step.params, objectives(step.get("slo")))
    if step.get("started"):
        rows += _of_server(step, raw)
    else:  # nobody knows what that server did before
        rows = tuple(row for row in rows if row.metric != "llm.cold_ttft")
    return Reading(rows, measures.samples(load, step.workload, step.params), _told(load, raw))


def _told(load: measures.Load, raw: RawOutput) -> tuple[Parameter, ...]:
    """Return what only the answers tell: who counted the tokens, and the server's version."""
    sources = sorted({each.token_source or "none" for each in load.ok})
    found = []
    if sources:
        told = ", ".join(sources)
        found.append(Parameter("token_source", told, Comparability.MUST_MATCH))
    if version := raw.get("server_version"):
        found.append(Parameter("server_version", version, Comparability.CAVEAT))
    return tuple(found)


def objectives(text: str) -> dict[str, measures.Objective]:
    """Return the limits that goodput is counted by, by name.

    Raises SitegenError for what is neither a known name nor TTFT/TPOT in seconds.
    """
    found = {}
    for word in map(str.strip, text.split(",")):
        if own := _OBJECTIVE.fullmatch(word):
            ttft_s, tpot_s = map(float, own.groups())
            found[f"ttft {ttft_s:g} s, tpot {tpot_s:g} s"] = measures.Objective(ttft_s, tpot_s)
        elif word in measures.SLOS:
            found[word] = measures.SLOS[word]
        else:
            raise SitegenError(
                f"{word[:40]!r} is no limit",
                where="--set llm.slo",
                fix=f"write 2/0.1 or one of {', '.join(measures.SLOS)}",
            )
    return found


def _measure(step: Step, host: Host) -> RawOutput:
    """Start the server for this step alone, so that none inherits what another did to it."""
    from collectors.llm import server

    folder = Path(step.get("folder"))
    serving = server.serving(
        Path(step.get("model_path")),
        threads=int(step.get("threads")),
        parallel=int(step.get("slots")),
        context=int(step.get("context")),
        folder=folder,
        host=host,
        cache_prompt=step.get("cache_prompt") == "yes",
    )
    with serving as running:
        before = server.cpu_seconds(running.pid)
        raw = _load(step, running.url, host)
        after = server.cpu_seconds(running.pid)
        seen = {
            "load_s": running.load_s,
            "server_cpu_s": None if before is None or after is None else round(after - before, 3),
            "server_peak_bytes": server.peak_memory(running.pid, host),
        }
        values = [(name, str(value)) for name, value in seen.items() if value is not None]
    log = (folder / server.LOG).read_bytes()[-_LOG_BYTES:]
    return dataclasses.replace(
        raw,
        values=(*raw.values, ("server_version", running.version), *values),
        files={server.LOG: log},
    )


def _load(step: Step, url: str, host: Host) -> RawOutput:
    """Run the load client against the address itself, which the archived command leaves out."""
    place = step.argv.index("--url") + 1
    argv = (*step.argv[:place], url, *step.argv[place + 1 :])
    root = str(Path(__file__).resolve().parents[2])
    folder = Path(step.get("folder"))
    return host.run(argv, timeout_s=step.timeout_s, cwd=folder, environ={"PYTHONPATH": root})


def _without_host(raw: RawOutput, url: str) -> RawOutput:
    """Return an output without the name of the host that was measured.

    Only errors hold it. A line of records is read for that, because a name may be any word.
    """
    name = urlsplit(url).hostname or ""
    word = re.compile(rf"(?i)(?<![\w.-]){re.escape(name)}(?![\w-])")

    def clean(line: bytes) -> bytes:
        if name.encode() not in line.lower():
            return line
        try:
            record = json.loads(line)
            record["detail"] = word.sub(_HIDDEN, record["detail"])
        except (ValueError, KeyError, TypeError, RecursionError):
            return line
        return json.dumps(record, separators=(",", ":"), ensure_ascii=False).encode()

    said = word.sub(_HIDDEN, raw.stderr.decode("utf-8", "replace"))
    return dataclasses.replace(
        raw, stdout=b"\n".join(map(clean, raw.stdout.split(b"\n"))), stderr=said.encode()
    )


def _make_model(step: Step) -> RawOutput:
    """Write the model unless an earlier run has, and say which bytes they are."""
    from collectors.llm import weights

    path = Path(step.get("model_path"))
    started = datetime.now(UTC)
    clock = time.monotonic()
    try:
        kept = path.is_file()
        if not kept:
            weights.write(path, step.get("model_size"))
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        size = path.stat().st_size
    except (SitegenError, OSError) as error:
        return RawOutput(stderr=f"{error}\n".encode(), exit_code=1, started_at=timestamp(started))
    return RawOutput(
        started_at=timestamp(started),
        duration_s=time.monotonic() - clock,
        values=(
            ("kept", "yes" if kept else "no"),
            ("model_bytes", str(size)),
            ("model_sha256", digest),
        ),
    )


def _of_server(step: Step, raw: RawOutput) -> tuple[Measurement, ...]:
    """Return what only is known of a server that was started for the step."""
    cpu = raw.get("server_cpu_s")
    found = {
        ("load_time", "s"): raw.get("load_s"),
        ("server_cpu_usage", "ratio"): cpu and raw.duration_s and float(cpu) / raw.duration_s,
        ("peak_memory", "B"): raw.get("server_peak_bytes"),
    }
    return tuple(
        Measurement(step.workload, f"llm.{name}", "value", unit, float(value), step.params)
        for (name, unit), value in found.items()
        if value
    )


@dataclass(frozen=True, slots=True)
class Loads:
    """What is asked of the server: by how many at once and how often, and how long it is."""

    concurrencies: tuple[int, ...]
    rates: tuple[float, ...]
    input_tokens: int
    output_tokens: int


def _loads(given: Mapping[str, str], size: Size, *, local: bool) -> Loads:
    """Read what to ask. An address of unknown strength gets no arrivals that nobody asked for."""
    for name in _THEIRS if local else _OURS:
        if name in given:
            why = "is of a server at an address" if local else "is of the server that is started"
            raise SitegenError(
                f"the setting {why}",
                where=f"--set llm.{name}",
                fix="give that address with --set llm.url=" if local else "leave it out",
            )
    rates = size.rates if local else ()
    if given.get("rates") == "none":
        rates = ()
    elif "rates" in given:
        rates = tuple(sorted({_rate(word) for word in given["rates"].split(",")}))
    return Loads(
        concurrencies=_counts(given, "concurrency", size.concurrencies, 4096),
        rates=rates,
        input_tokens=_whole(given, "input_tokens", 128, 8, 1_000_000),
        output_tokens=_whole(given, "output_tokens", 64, 2, 100_000),
    )


def _started(given: Mapping[str, str], loads: Loads, prompt: str) -> tuple[Target, dict[str, str]]:
    """Return the server that will be started, and its settings."""
    from collectors.llm import server, weights

    if absent := server.missing():
        raise SitegenError(
            f"without an address llm measures a server of its own, and {absent} is not installed",
            where="llm",
            fix=f"{server.INSTALL}, or give an address with --set llm.url=",
        )
    dialect = _one_of(given, "api", ("openai-chat", "openai-completions"))
    name = _one_of(given, "model_size", (_DEFAULT_SIZE, *weights.SIZES))
    wanted = loads.input_tokens * 5 // 4 + loads.output_tokens + _TEMPLATE_TOKENS
    context = max(_LEAST_CONTEXT, -(-wanted // _CONTEXT_STEP) * _CONTEXT_STEP)
    if context > weights.CONTEXT:
        raise SitegenError(
            f"prompt and answer need {context} tokens and the model holds {weights.CONTEXT}",
            where="--set llm.input_tokens",
            fix="ask for fewer tokens, or measure a server of your own with --set llm.url=",
        )
    about = {
        "model_size": name,
        "server_threads": str(_whole(given, "server_threads", 1, 1, 1024)),
        "slots": str(_whole(given, "slots", 8, 1, 256)),
        "context": str(context),
        "cache_prompt": "yes" if prompt == "shared" else "no",
    }
    target = Target(
        url="",  # it has one when it is up
        shown=f"http://[{_STARTED}]",
        api=dialect,
        model=weights.model_name(name),
        access="loopback",
        channel="plain",
        series={"model": weights.model_name(name), "engine": "llama.cpp", "weights": "random"},
        quantisation=weights.SIZES[name].quantisation,
        server_version=f"xllamacpp {importlib.metadata.version('xllamacpp')}",
    )
    return target, about


def _given(given: Mapping[str, str]) -> Target:
    """Return the server at an address of the user's."""
    dialect = _one_of(given, "api", dialects.APIS)
    url = given.get("url", _OLLAMA)
    try:
        dialects.address(url, dialect)
    except SitegenError as error:
        fix = error.fix.replace("--key-env", "--set llm.key_env=")
        raise SitegenError(error.what, where="--set llm.url", fix=fix) from None
    parts = urlsplit(url)
    model = given.get("model", "")
    if not _MODEL.fullmatch(model):
        raise SitegenError(
            f"{model[:80]!r} is not a model's name" if model else "the model is not named",
            where="--set llm.model",
            fix="its name as the server lists it (GET /v1/models, or `ollama list`)",
        )
    options = []
    if key := given.get("key_env", ""):
        if not re.fullmatch(r"[A-Za-z_]\w*", key) or key not in os.environ:
            # It may be the key itself, so it is not repeated.
            raise SitegenError(
                "there is no environment variable of that name",
                where="--set llm.key_env",
                fix="put the key into one, and give its name here",
            )
        options += ["--key-env", key]
    if ca := given.get("ca", ""):
        if not Path(ca).is_file():
            raise SitegenError("there is no such file", where="--set llm.ca")
        options += ["--ca", str(Path(ca).absolute())]
    if _one_of(given, "extensions", ("yes", "no")) == "no":
        options.append("--no-extensions")
    near = _is_loopback(parts.hostname or "")
    access = given.get("access", "loopback" if near else "direct")
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,31}", access):
        raise SitegenError(f"{access[:40]!r} is not a usable name", where="--set llm.access")
    return Target(
        url=url,
        shown=url if near else f"{parts.scheme}://[{_HIDDEN}]",
        api=dialect,
        model=model,
        access=access,
        channel="tls" if parts.scheme == "https" else "plain",
        series={
            # A model that a server names by its path is known by the last part of it.
            "model": _word(given, "name", model.rsplit("/", 1)[-1] if model[0] == "/" else model),
            "engine": _word(given, "engine", "ollama" if dialect == "ollama" else ""),
            "weights": _one_of(given, "weights", ("real", "random")),
        },
        quantisation=_word(given, "quantisation", "unknown") or "unknown",
        server_version=_word(given, "engine_version", "unknown") or "unknown",
        options=tuple(options),
    )


def _points(
    loads: Loads, counts: tuple[int, ...], threads: str | None
) -> Iterator[tuple[str, tuple[tuple[str, str], ...], str | None]]:
    """Yield each step's name, its load as options of the client, and the server's threads."""
    for concurrency in loads.concurrencies:
        yield f"closed-c{concurrency}", (("concurrency", str(concurrency)),), threads
    for rate in loads.rates:
        yield f"open-r{rate:g}", (("rate", f"{rate:g}"),), threads
    for count in counts:
        yield f"threads-{count}", (("concurrency", "1"),), str(count)


def _threads(given: Mapping[str, str], size: Size, cpus: int) -> tuple[int, ...]:
    """Return the thread counts. More than there are CPUs would measure how threads wait."""
    if "threads" in given:
        return _counts(given, "threads", (), 1024)
    return tuple(sorted({*(count for count in size.threads if count <= cpus), cpus}))


def _amount(given: Mapping[str, str], size: Size, shape: Mapping[str, str]) -> tuple[str, ...]:
    """Return how much one step sends, as options of the client."""
    if "rate" in shape:
        rate = float(shape["rate"])
        requests = max(size.requests // 2, round(rate * size.open_s))
        streams = min(round(rate), _WARMUP_STREAMS)
    else:
        streams = int(shape["concurrency"])
        requests = max(size.requests, size.rounds * streams)
    requests = _whole(given, "requests", requests, 1, 1_000_000)
    return (
        *("--requests", str(requests), "--duration-s", f"{size.limit_s:g}"),
        *("--warmup-max", str(size.warmup_blocks * max(streams, 2))),
    )


def _expected(workload: str, where: Params) -> tuple[Measurement, ...]:
    """Return what a step is recorded as failed for when it does not deliver it."""
    wanted = [("ttft", "p50", "s"), ("tpot", "p50", "s"), ("e2e_latency", "p50", "s")]
    if workload == "open":
        wanted.append(("ttft_scheduled", "p50", "s"))
    else:
        wanted.append(("output_token_throughput", "value", "tokens/s"))
    return tuple(
        Measurement(workload, f"llm.{name}", statistic, unit, None, where)
        for name, statistic, unit in wanted
    )


def _parameters(
    tool: ToolIdentity,
    target: Target,
    about: Mapping[str, str],
    prompt: str,
    connections: str,
) -> tuple[Parameter, ...]:
    from collectors.llm import weights

    must, caveat = Comparability.MUST_MATCH, Comparability.CAVEAT
    found = [
        Parameter("api", target.api, must),
        Parameter("access", target.access, must),
        Parameter("channel", target.channel, must),
        Parameter("connection_policy", connections, must),
        Parameter("prompt", prompt, must),
        Parameter("quantisation", target.quantisation, must),
        Parameter("weights", str(target.series["weights"]), must),
        Parameter("tool_version", tool.version, caveat),
        Parameter("server_version", target.server_version, caveat),
    ]
    if about:
        size = about["model_size"]
        found += [
            *(Parameter(name, about[name], must) for name in ("server_threads", "slots")),
            Parameter("context_tokens", about["context"], must),
            Parameter("model_architecture", weights.ARCHITECTURE),
            Parameter("model_parameters", str(weights.parameters(size))),
        ]
    return tuple(found)


def _model_path(cache: Path, size: str) -> Path:
    """Return where the model is kept. Its folder changes with what makes other bytes."""
    from collectors.llm import weights

    return cache / f"weights-{weights.VERSION}" / f"{weights.model_name(size)}.gguf"


def _model_step(size: str, path: Path, context: list[tuple[str, str]]) -> Step:
    return Step(
        name="model",
        workload="model",
        argv=(sys.executable, "-m", "collectors.llm.weights", size, str(path)),
        timeout_s=_SPARE_S,
        context=tuple(context),
    )


def _is_loopback(name: str) -> bool:
    return name in {"localhost", "::1"} or re.fullmatch(r"127(\.\d{1,3}){3}", name) is not None


def _one_of(given: Mapping[str, str], name: str, words: Sequence[str]) -> str:
    """Return a setting that is one of ``words``, the first of which is the default."""
    word = given.get(name, words[0])
    if word in words:
        return word
    raise SitegenError(
        f"{word[:40]!r} is not one of {', '.join(dict.fromkeys(words))}", where=f"--set llm.{name}"
    )


def _word(given: Mapping[str, str], name: str, otherwise: str) -> str | None:
    text = given.get(name, otherwise)
    if not text or _LABEL.fullmatch(text):
        return text or None
    raise SitegenError(f"{text[:80]!r} is not a usable name", where=f"--set llm.{name}")


def _counts(
    given: Mapping[str, str], name: str, otherwise: tuple[int, ...], most: int
) -> tuple[int, ...]:
    if name not in given:
        return otherwise
    words = given[name].split(",")
    return tuple(sorted({_whole({name: word}, name, 1, 1, most) for word in words}))


def _whole(given: Mapping[str, str], name: str, otherwise: int, least: int, most: int) -> int:
    if name not in given:
        return otherwise
    word = given[name].strip()
    if word.isascii() and word.isdigit() and len(word) < 10 and least <= int(word) <= most:  # noqa: PLR2004 - keeps int() short
        return int(word)
    raise SitegenError(
        f"{given[name][:40]!r} is not from {least} to {most}", where=f"--set llm.{name}"
    )


def _rate(word: str) -> float:
    if re.fullmatch(r"\s*\d{1,5}(\.\d{1,3})?\s*", word, re.ASCII) and float(word) > 0:
        return float(word)
    raise SitegenError(
        f"{word[:40]!r} is no number of requests a second", where="--set llm.rates", fix="as in 0.5"
    )


def _about_s(step: Step, size: Size) -> float:
    """Estimate from requests and their length (the default model on one slow core)."""
    load, options = dict(step.params), dict(pairwise(step.argv))
    requests = int(options["--requests"]) + int(options["--warmup-max"])
    busy_s = requests * (int(load["input_tokens"]) / 1400 + int(load["output_tokens"]) / 450)
    if "rate" in load:
        busy_s = max(busy_s, int(options["--requests"]) / float(load["rate"]))
    return 1.5 + min(busy_s, size.limit_s)
