"""Secure inference: what each protection of an LLM service costs, as a ladder on one machine."""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import ssl
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from msgspec import Struct, structs

from collectors.llm import weights
from collectors.secure_inference import channel, evidence, ladder, timings
from sitegen.collect import (
    Host,
    Missing,
    Plan,
    RawOutput,
    Reading,
    Refused,
    Request,
    Step,
    install,
)
from sitegen.collect.recorder import Recorder
from sitegen.collect.settings import Settings, described
from sitegen.errors import SitegenError
from sitegen.model import Comparability, Measurement, Parameter, Params, ToolIdentity, params

BENCHMARK = "secure-inference"
_SizeName = Literal["tiny", "15m", "60m", "125m", "350m", "1b"]
_EVIDENCE = "folder with quote.bin, collateral.json and time.txt, to verify instead"
_Users = Annotated[int, described("served one after the other (default: 4)", ge=1, le=64)]
_Requests = Annotated[int, described("of each user (default: 20)", ge=1, le=100_000)]
_Input = Annotated[int, described("length of a prompt (default: 64)", ge=8, le=1024)]
_Output = Annotated[int, described("length of an answer (default: 32)", ge=2, le=1024)]


class SETTINGS(Settings, frozen=True):
    """What ``--set`` may change."""

    model: Annotated[_SizeName, described("size of the random-weight model (default: 15m)")] = "15m"
    users: _Users | None = None
    requests: _Requests | None = None
    input_tokens: _Input | None = None
    output_tokens: _Output | None = None
    concurrency: Annotated[int, described("of a user at once (default: 1)", ge=1, le=64)] = 1
    threads: Annotated[int, described("threads of the server (default: 1)", ge=1, le=1024)] = 1
    evidence: Annotated[str, described(_EVIDENCE)] = ""


_Words = tuple[str, ...]
_Rows = Sequence[tuple[str, str, Params]]
_NEEDED = ("xllamacpp", "gguf", "aiohttp", "cryptography", "dcap_qvl")
_LIMIT_S = 3600.0
_WEIGHTS_BYTES = 65e6  # the model of random weights that it is measured with


class Preset(NamedTuple):
    """How much work it does."""

    users: int
    requests: int
    input_tokens: int
    output_tokens: int
    prefix_tokens: int  # of the prompt that all users share
    prefix_requests: int  # of each user, with that prompt
    reuse: tuple[str, ...]  # steps that are also taken with kept connections
    rounds: tuple[int, ...]  # of each of _PARTS
    transfer_bytes: int


#: llama.cpp's server keeps no connection, so there is no native step; later steps add no bytes.
_KEPT = ("hop", "tls")
#: How a prefix is shared, and the step of the ladder that serves it so.
_SHARED = (("shared-cache", "attested"), ("isolated", "isolated"), ("uncached", "attested"))
#: What is timed alone: command, workload, and the times that it must deliver.
_PARTS: tuple[tuple[str, str, str, Sequence[dict[str, str]]], ...] = (
    ("handshake", "session", "handshake_time", ({"mode": "full"}, {"mode": "resumed"})),
    ("sessions", "session", "attestation_time", ({"part": "session"},)),
    ("verify", "evidence", "attestation_time", ({"part": "verify"},)),
    ("throughput", "channel", "", ()),
    ("hash", "weights", "", ()),
    ("quote", "evidence", "attestation_time", ({"part": "quote"},)),
)
_PRESETS = {
    "quick": Preset(2, 3, 64, 16, 256, 3, (), (50, 20, 100, 3, 3, 5), 1 << 25),
    "standard": Preset(4, 20, 64, 32, 512, 5, _KEPT, (300, 100, 500, 10, 10, 20), 1 << 27),
    "thorough": Preset(4, 100, 64, 32, 512, 5, _KEPT, (1000, 300, 1000, 20, 20, 50), 1 << 28),
}


def detect(host: Host) -> ToolIdentity | Missing:  # noqa: ARG001 - of the protocol
    """Return the server that the ladder stands on, or which packages are missing."""
    absent = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if absent:
        return Missing(", ".join(absent), install("collect"))
    return ToolIdentity("llama.cpp server (xllamacpp)", importlib.metadata.version("xllamacpp"))


def plan(tool: ToolIdentity, request: Request) -> Plan:
    """Return the ladder, what sharing a prefix saves, and the parts that are timed alone."""
    settings = request.read(SETTINGS)
    if settings.evidence and not Path(settings.evidence).is_dir():
        message = f"{settings.evidence[:80]} is not an existing folder"
        raise SitegenError(message, where=f"--set {BENCHMARK}.evidence")
    names = ("users", "requests", "input_tokens", "output_tokens")
    changes = {name: value for name in names if (value := getattr(settings, name))}
    preset = _PRESETS[request.preset]._replace(**changes)
    model = request.cache / f"{weights.model_name(settings.model)}-{weights.VERSION}.gguf"
    making = _Making(request.scratch.absolute(), model.absolute(), settings, preset)
    attested = evidence.available(Host().root)
    steps = (*making.ladder(), *making.shared_prefix(), *making.parts(attested=attested))
    return Plan(
        steps,
        prepare=(making.preparation(),),
        parameters=_parameters(tool, settings, preset, attested=attested),
        about_s=sum(_about_s(step, preset) for step in steps),
        about_bytes=_WEIGHTS_BYTES,
    )


def _parameters(
    tool: ToolIdentity, settings: SETTINGS, preset: Preset, *, attested: bool
) -> tuple[Parameter, ...]:
    recorder, caveat, is_given = Recorder(), Comparability.CAVEAT, bool(settings.evidence)
    quotes = "configfs-tsm" if attested else "not measured: no TEE here"
    recorder.parameter("api", "openai-chat")
    recorder.parameter("weights", "random")
    recorder.parameter("quantisation", weights.SIZES[settings.model].quantisation)
    recorder.parameter("users", preset.users)
    recorder.parameter("requests_per_user", preset.requests)
    recorder.parameter("terminator", "asyncio over OpenSSL, in front of the server")
    recorder.parameter("server_key", "ECDSA P-256")
    recorder.parameter("cipher", channel.preferred_cipher(), caveat)
    recorder.parameter("openssl", ssl.OPENSSL_VERSION, caveat)
    recorder.parameter("evidence", "given" if is_given else "constructed, proves nothing")
    recorder.parameter("evidence_binding", "not checked" if is_given else "TLS key", caveat)
    recorder.parameter("quote_generation", quotes, Comparability.IGNORED)
    recorder.parameter("tool_version", tool.version, caveat)
    return tuple(recorder.parameters.values())


def run(step: Step, host: Host) -> RawOutput:
    """Run one step: a command of this package, which starts and stops all that it needs."""
    folder = Path(step.get("folder"))
    raw = host.run(step.argv, timeout_s=step.timeout_s, cwd=folder, environ=channel.ENVIRON)
    with contextlib.suppress(SitegenError):
        return structs.replace(raw, values=timings.read(raw.stdout).about)
    return raw


def parse(step: Step, raw: RawOutput) -> Reading:
    """Return what one command measured; raises Refused when a negative control was accepted."""
    if raw.exit_code != 0:
        failure = Refused if raw.exit_code == channel.REFUSED else SitegenError
        raise failure(raw.reason, where=step.name)
    report = timings.read(raw.stdout)
    for check in report.checks:
        if not check.refused:
            message = f"the control {check.name!r} was accepted: what was verified means nothing"
            fix = "report it, with the versions of dcap-qvl and cryptography"
            raise Refused(message, where=step.name, fix=fix)
    tried = {check.name for check in report.checks}
    if step.name == "verify" and tried != set(evidence.CONTROLS):
        raise SitegenError("the negative controls are missing", where=step.name)
    recorder = Recorder()
    if report.loads:
        timings.record_served(recorder, report, step.workload, step.params)
    # What a session and a context take is the ladder's to say.
    if not report.loads or step.workload == "ladder":
        timings.record(recorder, report, step.workload, step.params)
    return recorder.reading()


class _Making(Struct, frozen=True):
    """What every step of a plan is made with."""

    folder: Path
    model: Path
    settings: SETTINGS
    preset: Preset

    @property
    def unbound(self) -> _Words:
        """Return what says that the evidence is of another endpoint, where it is."""
        return ("--unbound",) if self.settings.evidence else ()

    def preparation(self) -> Step:
        evidence = self.settings.evidence
        source = ("--evidence", str(Path(evidence).absolute())) if evidence else ()
        options = ("--weights", self.settings.model, "--model", str(self.model), *source)
        return self._step("prepare", "prepare", ("prepare", *options))

    def ladder(self) -> Iterator[Step]:
        for kind, steps in (("fresh", ladder.STEPS), ("reuse", self.preset.reuse)):
            for step in steps:
                options = ("--step", step, "--connections", kind, "--prompt", "unique")
                about = {"step": step, "connections": kind}
                yield self.serving(f"{step}-{kind}", "ladder", options, about)

    def shared_prefix(self) -> Iterator[Step]:
        """Yield what users share: all of one prefix cache, one each, or none at all."""
        tokens, requests = self.preset.prefix_tokens, self.preset.prefix_requests
        preset = self.preset._replace(input_tokens=tokens, requests=requests)
        longer = structs.replace(self, preset=preset)
        for name, step in _SHARED:
            cache = ("--cache",) if name != "uncached" else ()
            options = ("--step", step, "--prompt", "shared", *cache)
            about = {"step": name, "connections": "fresh", "requests_per_user": str(requests)}
            yield longer.serving(f"prefix-{name}", "shared-prefix", options, about)

    def parts(self, *, attested: bool) -> Iterator[Step]:
        """Yield what is timed alone; a quote only where there is a TEE."""
        transfer, file = ("--bytes", str(self.preset.transfer_bytes)), ("--file", str(self.model))
        options = {"sessions": self.unbound, "throughput": transfer, "hash": file}
        for (name, workload, metric, parts), rounds in zip(_PARTS, self.preset.rounds, strict=True):
            argv = (name, "--rounds", str(rounds), *options.get(name, ()))
            if attested or name != "quote":
                rows = [(metric, "mean", params(**part)) for part in parts]
                yield self._step(name, workload, argv, (), rows)

    def serving(self, name: str, workload: str, options: _Words, about: dict[str, str]) -> Step:
        settings, preset = self.settings, self.preset
        tokens = {"input_tokens": preset.input_tokens, "output_tokens": preset.output_tokens}
        work = {**tokens, "concurrency": settings.concurrency, "threads": settings.threads}
        counts = {"users": preset.users, "requests": preset.requests, **work}
        words = [w for key, n in counts.items() for w in (f"--{key.replace('_', '-')}", str(n))]
        argv = ("step", "--model", str(self.model), *options, *words, *self.unbound)
        pairs = params(model=weights.model_name(settings.model), **work, **about)
        rows = [(quantity, s, pairs) for quantity in timings.QUANTITIES for s in ("mean", "p50")]
        return self._step(name, workload, argv, pairs, rows)

    def _step(
        self, name: str, workload: str, argv: _Words, about: Params = (), rows: _Rows = ()
    ) -> Step:
        folder = str(self.folder)
        argv = (*channel.COMMAND, argv[0], "--folder", folder, *argv[1:])
        expects = tuple(
            Measurement(workload, f"{BENCHMARK}.{metric}", statistic, "s", None, pairs)
            for metric, statistic, pairs in rows
        )
        return Step(name, workload, argv, _LIMIT_S, about, expects, (("folder", folder),))


def _about_s(step: Step, preset: Preset) -> float:
    """Estimate on two slow cores: servers and clients to start, then tokens."""
    if step.workload not in {"ladder", "shared-prefix"}:
        return 0.5 + preset.rounds[0] / 200
    about = dict(step.params)
    contexts = preset.users if about["step"] == "isolated" else 1
    tokens = int(about["output_tokens"]) / 150 + int(about["input_tokens"]) / 2000
    return 1.5 * contexts + preset.users * (0.5 + preset.requests * tokens)
