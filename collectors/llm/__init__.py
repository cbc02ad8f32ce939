"""Streaming inference: latency and throughput of a server, by concurrency, rate and threads.

Without an address it starts llama.cpp's server on loopback with a model of random weights.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import sys
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

from msgspec import Struct, structs

from collectors.llm import api, measures
from collectors.llm.readers import BUNDLES, READERS
from collectors.llm.target import SETTINGS, Target, target
from sitegen.collect import (
    DISTRIBUTION,
    Host,
    Missing,
    Plan,
    RawOutput,
    Reading,
    Request,
    Step,
    decode,
    install,
)
from sitegen.collect.host import timestamp
from sitegen.errors import SitegenError
from sitegen.model import DOUBT, Comparability, Measurement, Parameter, ToolIdentity, params

__all__ = ["BENCHMARK", "BUNDLES", "READERS", "SETTINGS", "detect", "parse", "plan", "run"]

BENCHMARK = "llm"
_CLIENT = "collectors.llm.client"
_THREADS = (1, 2, 4, 8)
#: With how many at once the client warms up for an open loop, at most.
_WARMUP_STREAMS = 8
_SPARE_S = 300.0
#: Exit codes of the client: nothing could be sent, and it was used wrongly.
_GAVE_UP = (1, 2)
_PLAIN = "--no-extensions"
#: Beginnings of what is said of a request with a field that the server does not take.
_REFUSALS = ("HTTP 400", "HTTP 422")
_LOG_BYTES = 1 << 16
_BYTES_A_WEIGHT = 4.0  # of the model that is made here, and its file


class Preset(Struct, frozen=True):
    """How much work it does."""

    concurrencies: tuple[int, ...]
    rates: tuple[float, ...]
    threads: tuple[int, ...]
    requests: int  # of a closed step, at least
    rounds: int  # of all its streams, at least
    open_s: float
    warmup_blocks: int  # at most; three are needed to see that they agree
    limit_s: float  # of the measured part of a step


_PRESETS = {
    "quick": Preset((1, 4), (2.0,), (1,), 8, 2, 4.0, 1, 8.0),
    "standard": Preset((1, 2, 4, 8, 16), (1.0, 2.0, 4.0), _THREADS, 32, 4, 25.0, 4, 120.0),
    "thorough": Preset(
        (1, 2, 4, 8, 16, 32), (1.0, 2.0, 4.0, 8.0), _THREADS, 128, 8, 100.0, 10, 600.0
    ),
}


def detect(host: Host) -> ToolIdentity | Missing:
    """Return the load client, which is ours; it needs aiohttp."""
    try:
        library = importlib.metadata.version("aiohttp")
    except importlib.metadata.PackageNotFoundError:
        return Missing("aiohttp", install("llm"))
    path = Path(__file__).with_name("client.py")
    version = importlib.metadata.version(DISTRIBUTION)
    return host.identify("sitegen LLM client", str(path), f"{version} aiohttp {library}")


def plan(tool: ToolIdentity, request: Request) -> Plan:
    """Return the closed loops, the open ones and the sweep over the server's threads.

    Raises SitegenError for a setting that cannot be met, and without an address when the
    server that would be started is not installed.
    """
    settings, preset = request.read(SETTINGS), _PRESETS[request.preset]
    measures.objectives(settings.slo)  # refuses what it cannot read
    measured = target(settings, request.settings)
    context = {"folder": str(request.scratch), "slo": settings.slo, **measured.started}
    prepare: tuple[Step, ...] = ()
    needs_bytes = 0.0
    if measured.started:
        from collectors.llm import weights

        # The folder changes with what makes other bytes.
        folder = request.cache / f"weights-{weights.VERSION}"
        path = str(folder / f"{weights.model_name(settings.model_size)}.gguf")
        context |= {"started": "yes", "model_path": path}
        argv = (sys.executable, "-m", "collectors.llm.weights", settings.model_size, path)
        prepare = (Step("model", "model", argv, _SPARE_S, context=tuple(context.items())),)
        needs_bytes = _BYTES_A_WEIGHT * weights.parameters(settings.model_size)
    else:
        context["url"] = measured.url
    must = Comparability.MUST_MATCH
    steps, times_s = zip(*_steps(settings, preset, request.cpus, measured, context), strict=True)
    return Plan(
        steps=steps,
        prepare=prepare,
        parameters=(
            *measured.parameters,
            Parameter("connection_policy", settings.connections, must),
            Parameter("prompt", settings.prompt, must),
            Parameter("tool_version", tool.version, Comparability.CAVEAT),
        ),
        about_s=sum(times_s),
        about_bytes=needs_bytes,
    )


def _steps(
    settings: SETTINGS, preset: Preset, cpus: int, measured: Target, context: Mapping[str, str]
) -> Iterator[tuple[Step, float]]:
    """Yield the step of each load, and about how many seconds it takes.

    An address of unknown strength gets no arrivals unless asked for.
    """
    local = bool(measured.started)
    streams = sorted(set(settings.concurrency or preset.concurrencies))
    chosen = settings.rates or (preset.rates if local else ())
    rates = sorted({float(rate) for rate in chosen if rate != "none"})
    # More threads than there are CPUs would measure how threads wait.
    usual = (*(count for count in preset.threads if count <= cpus), cpus)
    counts = sorted(set(settings.threads or usual)) if local else ()
    lengths = {"input_tokens": settings.input_tokens, "output_tokens": settings.output_tokens}
    for workload, many, rate, swept in (  # of an open loop many are at once while it warms up
        *(("closed", many, None, None) for many in streams),
        *(("open", min(round(rate), _WARMUP_STREAMS), rate, None) for rate in rates),
        *(("threads", 1, None, count) for count in counts),
    ):
        name, shape = f"closed-c{many}", {"concurrency": str(many)}
        requests = max(preset.requests, preset.rounds * many)
        warmup = preset.warmup_blocks * max(many, 2)
        expects = [(f"llm.{metric}", "p50", "s") for metric in ("ttft", "tpot", "e2e_latency")]
        if rate is None:
            expects.append(("llm.output_token_throughput", "value", "tokens/s"))
        else:
            name, shape = f"open-r{rate:g}", {"rate": f"{rate:g}"}
            requests = max(preset.requests // 2, round(rate * preset.open_s))
            expects.append(("llm.ttft_scheduled", "p50", "s"))
        requests = settings.requests or requests
        threads = {"threads": str(swept or settings.server_threads)} if local else {}
        about = params(**measured.series, **lengths, **shape, **threads)
        options = {
            "url": measured.public_url,
            "api": settings.api,
            "model": measured.model,
            **measured.options,
            **shape,
            "requests": requests,
            "duration-s": f"{preset.limit_s:g}",
            "warmup-max": warmup,
            **{name.replace("_", "-"): count for name, count in lengths.items()},
            "prompt": settings.prompt,
            "connections": settings.connections,
            "timeout-s": settings.timeout_s,
        }
        words = (word for name, value in options.items() for word in (f"--{name}", str(value)))
        plain = () if settings.extensions else (_PLAIN,)
        # By their length, as the default model takes on one slow core.
        a_request_s = settings.input_tokens / 1400 + settings.output_tokens / 450
        busy_s = max((requests + warmup) * a_request_s, requests / rate if rate else 0.0)
        step = Step(
            name=f"threads-{swept}" if swept else name,
            workload=workload,
            argv=(sys.executable, "-m", _CLIENT, *words, *plain),
            timeout_s=2 * preset.limit_s + _SPARE_S,
            params=about,
            expects=tuple(Measurement(workload, *row, None, about) for row in expects),
            context=tuple({**context, **threads}.items()),
        )
        yield step, 1.5 + min(busy_s, preset.limit_s)


def run(step: Step, host: Host) -> RawOutput:
    """Run one step: start the server where there is none, then the load client."""
    started = datetime.now(UTC)
    try:
        if step.workload == "model":
            return _make_model(step, started)
        if step.get("started"):
            return _measure(step, host)
        return _load(step, step.get("url"), host)
    except (SitegenError, OSError) as error:
        return RawOutput(stderr=f"{error}\n".encode(), exit_code=1, started_at=timestamp(started))


def parse(step: Step, raw: RawOutput) -> Reading:
    """Return what the client recorded, and what was seen of a server that was started.

    Raises SitegenError when the output is not the client's, or no request ever went well.
    """
    # Of a client that was stopped, what it had written by then still counts.
    if raw.exit_code in _GAVE_UP or not raw.stdout:
        raise SitegenError(f"ended with code {raw.exit_code}: {raw.reason}", where=step.name)
    load = measures.read(raw.stdout)
    if load.requests and not any(request.ok for request in load.requests):
        first = load.requests[0]
        reason = f"{first.status}: {first.detail or 'no message'}"
        message = f"no request went well, the first: {reason}"
        raise SitegenError(message, where=step.name, fix=_advice(step, first))
    limits = measures.objectives(step.get("slo"))
    recorder = measures.record(load, step.workload, step.params, limits)
    asked = measures.asked_tokens(step.params)
    for kind, sentence in measures.remarks(load, asked, _option(step, "model")).items():
        recorder.parameter(f"{DOUBT}{kind}", f"{step.name}: {sentence}", Comparability.IGNORED)
    if step.get("started"):  # what only is known of a server that was started for the step
        loaded_s, cpu_s, peak = (
            float(text) if (text := raw.get(name)) else None
            for name in ("load_s", "server_cpu_s", "server_peak_bytes")
        )
        usage = cpu_s / raw.duration_s if cpu_s and raw.duration_s else None
        series = recorder.series(step.workload, step.params)
        series.add("llm.load_time", "value", loaded_s)
        series.add("llm.server_cpu_usage", "value", usage)
        series.add("llm.peak_memory", "value", peak)
    else:  # nobody knows what that server did before
        recorder.measurements = [
            row for row in recorder.measurements if row.metric != "llm.cold_ttft"
        ]
    sources = sorted({request.token_source or "none" for request in load.ok})
    recorder.parameter("token_source", ", ".join(sources) or None)
    if load.end and load.end.left_out:
        refused = ", ".join(load.end.left_out)
        recorder.parameter("refused_fields", refused, Comparability.CAVEAT)
    answering = sorted({request.model for request in load.ok if request.model})
    recorder.parameter("answering_model", ", ".join(answering) or None, Comparability.CAVEAT)
    version = raw.get("server_version") or None
    recorder.parameter("server_version", version, Comparability.CAVEAT)
    return recorder.reading()


def _option(step: Step, name: str) -> str:
    """Return what the client's command says for an option, or nothing."""
    words = dict(pairwise(step.argv))
    return words.get(f"--{name}", "")


def _advice(step: Step, first: measures.Exchange) -> str:
    """Return what to do about a request that was refused, as servers refuse unknown fields."""
    detail = first.detail or ""
    refused = detail.startswith(_REFUSALS) or any(name in detail for name in api.EXTENSIONS)
    if not refused or _PLAIN in step.argv or _option(step, "api") == "ollama":
        return ""
    fields = " and ".join(api.EXTENSIONS)
    return f"--set llm.extensions=no leaves out {fields}, which are not of OpenAI's own API"


def _measure(step: Step, host: Host) -> RawOutput:
    """Start the server for this step alone, so that none inherits what another did to it."""
    from collectors.llm import server

    folder, context = Path(step.get("folder")), dict(step.context)
    cached = {"cache_prompt": step.get("cache_prompt") == "yes"}
    launch = decode.convert(context | cached, server.Launch, strict=False)
    with server.serving(launch, folder, host) as running:
        before = server.cpu_seconds(running.pid)
        raw = _load(step, running.url, host)
        after = server.cpu_seconds(running.pid)
        facts = {
            "server_version": running.version,
            "load_s": running.load_s,
            "server_cpu_s": None if before is None or after is None else round(after - before, 3),
            "server_peak_bytes": server.peak_memory(running.pid, host),
        }
    values = ((name, str(value)) for name, value in facts.items() if value is not None)
    log = (folder / server.LOG).read_bytes()[-_LOG_BYTES:]
    return structs.replace(raw, values=(*raw.values, *values), files={server.LOG: log})


def _load(step: Step, url: str, host: Host) -> RawOutput:
    """Run the load client against the address itself, which the archived command leaves out."""
    place = step.argv.index("--url") + 1
    argv = (*step.argv[:place], url, *step.argv[place + 1 :])
    root = str(Path(__file__).resolve().parents[2])
    folder = Path(step.get("folder"))
    return host.run(argv, timeout_s=step.timeout_s, cwd=folder, environ={"PYTHONPATH": root})


def _make_model(step: Step, started: datetime) -> RawOutput:
    """Write the model unless an earlier run has, and say which bytes they are."""
    from collectors.llm import weights

    path = Path(step.get("model_path"))
    clock = time.monotonic()
    kept = path.is_file()
    if not kept:
        weights.write(path, step.get("model_size"))
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    size = str(path.stat().st_size)
    values = {"kept": "yes" if kept else "no", "model_bytes": size, "model_sha256": digest}
    took_s = time.monotonic() - clock
    return RawOutput(started_at=timestamp(started), duration_s=took_s, values=tuple(values.items()))
