"""Secure inference: what each protection of an LLM service costs, as a ladder on one machine."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.metadata
import importlib.util
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from collectors.llm import weights
from collectors.secure_inference import attestation, channel, ladder, quote, served, timings
from sitegen.collect import Host, Missing, Plan, RawOutput, Reading, Refused, Request, Step
from sitegen.errors import SitegenError
from sitegen.model import (
    Comparability,
    Measurement,
    MetricDefinition,
    Parameter,
    Params,
    Sample,
    ToolIdentity,
    params,
)

BENCHMARK = "secure-inference"
SETTINGS = {
    "model": f"size of the random-weight model (default 15m; {', '.join(weights.SIZES)})",
    "users": "users served in each step of the ladder, one after the other (default: 4)",
    "requests": "requests of each user (default: 20)",
    "input_tokens": "length of a prompt (default: 64)",
    "output_tokens": "length of an answer (default: 32)",
    "concurrency": "requests that one user has under way at once (default: 1)",
    "threads": "threads of the server (default: 1)",
    "evidence": "folder with quote.bin, collateral.json and time.txt, to verify instead",
}

_OUTSIDE = MetricDefinition(
    f"{BENCHMARK}.{served.OUTSIDE}",
    "Time outside the model",
    "s",
    "lower",
    "Latency of a request less the server's own time for its prompt and its answer: what the "
    "connection, the channel and the queue add, without the noise of the model.",
)
_HANDSHAKE = tuple(("handshake_time", params(mode=mode)) for mode in ("full", "resumed"))
_SESSION = (("attestation_time", params(part="session")),)
_VERIFY = (("attestation_time", params(part="verify")),)
_QUOTE = (("attestation_time", params(part="quote")),)
_INSTALL = "pip install 'sitegen[collect]'"
_LIMIT_S = 3600.0
_WEIGHTS_BYTES = 65e6  # the model of random weights that it is measured with
_TAIL = 200


@dataclass(frozen=True, slots=True)
class Size:
    """How much work a preset does."""

    users: int
    requests: int
    input_tokens: int
    output_tokens: int
    prefix_tokens: int  # of the prompt that all users share
    prefix_requests: int  # of each user, with that prompt
    reuse: tuple[str, ...]  # steps that are also taken with kept connections
    handshakes: int
    sessions: int
    verifications: int
    quotes: int
    transfer_bytes: int
    rounds: int  # of transfers and of hashing


#: llama.cpp's server keeps no connection, so there is no native step; later steps add no bytes.
_KEPT = ("hop", "tls")
_SIZES = {
    "quick": Size(2, 3, 64, 16, 256, 3, (), 50, 20, 100, 5, 1 << 25, 3),
    "standard": Size(4, 20, 64, 32, 512, 5, _KEPT, 300, 100, 500, 20, 1 << 27, 10),
    "thorough": Size(4, 100, 64, 32, 512, 5, _KEPT, 1000, 300, 1000, 50, 1 << 28, 20),
}


def detect(host: Host) -> ToolIdentity | Missing:  # noqa: ARG001 - of the protocol
    """Return the server that the ladder stands on, or which packages are missing."""
    absent = [
        name
        for name in ("xllamacpp", "gguf", "aiohttp", "cryptography", "dcap_qvl")
        if importlib.util.find_spec(name) is None
    ]
    if absent:
        return Missing(", ".join(absent), _INSTALL)
    return ToolIdentity("llama.cpp server (xllamacpp)", importlib.metadata.version("xllamacpp"))


def plan(tool: ToolIdentity, request: Request) -> Plan:
    """Return the ladder, what sharing a prefix saves, and the parts that are timed alone.

    Raises SitegenError for a setting that cannot be met.
    """
    given = request.settings
    size = _size(given, _SIZES[request.preset])
    name = given.get("model", "15m")
    if name not in weights.SIZES:
        raise SitegenError(
            f"there is no model size {name[:40]!r}",
            where="--set secure-inference.model",
            fix=f"use one of {', '.join(weights.SIZES)}",
        )
    concurrency = _whole(given.get("concurrency", "1"), "concurrency", 1, 64)
    threads = _whole(given.get("threads", "1"), "threads", 1, 1024)
    evidence = given.get("evidence")
    if evidence is not None and not Path(evidence).is_dir():
        raise SitegenError(
            f"{evidence[:80]} is not an existing folder", where="--set secure-inference.evidence"
        )
    model = request.cache / f"{weights.model_name(name)}-{weights.VERSION}.gguf"
    own = evidence is not None
    making = _Making(request.scratch.absolute(), model.absolute(), name, concurrency, threads, own)
    attested = quote.available(Host().root)
    steps = (
        *making.ladder(size),
        *making.shared_prefix(size),
        *making.parts(size, quotes=size.quotes if attested else 0),
    )
    must, caveat = Comparability.MUST_MATCH, Comparability.CAVEAT
    return Plan(
        steps=steps,
        prepare=(making.preparation(evidence),),
        parameters=(
            Parameter("api", "openai-chat", must),
            Parameter("weights", "random", must),
            Parameter("quantisation", weights.SIZES[name].quantisation, must),
            Parameter("users", str(size.users), must),
            Parameter("requests_per_user", str(size.requests), must),
            Parameter("terminator", "asyncio over OpenSSL, in front of the server", must),
            Parameter("server_key", "ECDSA P-256", must),
            Parameter("cipher", channel.preferred_cipher(), caveat),
            Parameter("openssl", ssl.OPENSSL_VERSION, caveat),
            Parameter("evidence", "given" if own else "constructed, proves nothing", must),
            Parameter("evidence_binding", "not checked" if own else "TLS key", caveat),
            Parameter(
                "quote_generation",
                "configfs-tsm" if attested else "not measured: no TEE here",
                Comparability.IGNORED,
            ),
            Parameter("tool_version", tool.version, caveat),
        ),
        definitions=(_OUTSIDE,),
        about_s=sum(_about_s(step, size) for step in steps),
        about_bytes=_WEIGHTS_BYTES,
    )


def run(step: Step, host: Host) -> RawOutput:
    """Run one step: a command of this package, which starts and stops all that it needs."""
    folder = Path(step.get("folder"))
    raw = host.run(step.argv, timeout_s=step.timeout_s, cwd=folder, environ=channel.ENVIRON)
    about: tuple[tuple[str, str], ...] = ()
    with contextlib.suppress(SitegenError):
        about = timings.read(raw.stdout).about
    return dataclasses.replace(raw, values=about)


def parse(step: Step, raw: RawOutput) -> Reading:
    """Return what one command measured.

    Raises Refused when a negative control was accepted, and SitegenError when the command
    failed or printed something else.
    """
    if raw.exit_code != 0:
        said = raw.stderr.decode("utf-8", "replace").strip().splitlines() or ["no message"]
        failure = Refused if raw.exit_code == channel.REFUSED else SitegenError
        raise failure(said[-1][:_TAIL], where=step.name)
    report = timings.read(raw.stdout)
    for name, refused in report.checks:
        if not refused:
            raise Refused(
                f"the control {name!r} was accepted: nothing that was verified means anything",
                where=step.name,
                fix="report it, with the versions of dcap-qvl and cryptography",
            )
    if step.name == "verify" and {name for name, _ in report.checks} != set(attestation.CONTROLS):
        raise SitegenError("the negative controls are missing", where=step.name)
    rows = timings.measurements(report, step.workload, step.params)
    samples: tuple[Sample, ...] = ()
    if report.loads:
        latencies, samples = served.read(report.loads, step.workload, step.params)
        # What a session and a context take is the ladder's to say.
        rows = (*latencies, *(rows if step.workload == "ladder" else ()))
    if not rows:
        raise SitegenError("the command measured nothing", where=step.name)
    return Reading(rows, samples)


@dataclass(frozen=True, slots=True)
class _Making:
    """What every step of a plan is made with."""

    folder: Path
    model: Path
    size_name: str
    concurrency: int
    threads: int
    unbound: bool

    def preparation(self, evidence: str | None) -> Step:
        """Return the step that makes certificate, evidence and weights."""
        own = ("--evidence", str(Path(evidence).absolute())) if evidence is not None else ()
        argv = ("--weights", self.size_name, "--model", str(self.model), *own)
        return self._step("prepare", "prepare", ("prepare", *argv))

    def ladder(self, size: Size) -> tuple[Step, ...]:
        """Return the steps of the ladder, on fresh connections and on kept ones."""
        return tuple(
            self._serving(
                f"{step}-{connections}",
                size,
                ("--step", step, "--connections", connections, "--prompt", "unique"),
                ("ladder", step, connections),
            )
            for connections, steps in (("fresh", ladder.STEPS), ("reuse", size.reuse))
            for step in steps
        )

    def shared_prefix(self, size: Size) -> tuple[Step, ...]:
        """Return what users share: all of one prefix cache, one each, or none at all."""
        longer = dataclasses.replace(
            size, input_tokens=size.prefix_tokens, requests=size.prefix_requests
        )
        return tuple(
            self._serving(
                f"prefix-{name}",
                longer,
                ("--step", step, "--prompt", "shared", *(("--cache",) if cached else ())),
                ("shared-prefix", name, "fresh"),
            )
            for name, step, cached in (
                ("shared-cache", "attested", True),
                ("isolated", "isolated", True),
                ("uncached", "attested", False),
            )
        )

    def parts(self, size: Size, *, quotes: int) -> tuple[Step, ...]:
        """Return what is timed alone: handshakes, attestation, the channel, the hash."""
        unbound = ("--unbound",) if self.unbound else ()
        moved, file = ("--bytes", str(size.transfer_bytes)), ("--file", str(self.model))
        steps = [
            self._timing("handshake", "session", size.handshakes, (), _HANDSHAKE),
            self._timing("sessions", "session", size.sessions, unbound, _SESSION),
            self._timing("verify", "evidence", size.verifications, (), _VERIFY),
            self._timing("throughput", "channel", size.rounds, moved, ()),
            self._timing("hash", "weights", size.rounds, file, ()),
        ]
        if quotes:
            steps.append(self._timing("quote", "evidence", quotes, (), _QUOTE))
        return tuple(steps)

    def _timing(
        self,
        name: str,
        workload: str,
        rounds: int,
        options: tuple[str, ...],
        expected: tuple[tuple[str, Params], ...],
    ) -> Step:
        expects = tuple(
            Measurement(workload, f"{BENCHMARK}.{metric}", "mean", timings.UNITS[metric], None, p)
            for metric, p in expected
        )
        argv = (name, "--rounds", str(rounds), *options)
        return self._step(name, workload, argv, (), expects)

    def _serving(
        self, name: str, size: Size, argv: tuple[str, ...], where: tuple[str, str, str]
    ) -> Step:
        workload, step, connections = where
        given = params(
            step=step,
            connections=connections,
            concurrency=self.concurrency,
            threads=self.threads,
            input_tokens=size.input_tokens,
            output_tokens=size.output_tokens,
            model=weights.model_name(self.size_name),
            requests_per_user=size.requests if workload == "shared-prefix" else None,
        )
        counts = {
            "users": size.users,
            "requests": size.requests,
            "input-tokens": size.input_tokens,
            "output-tokens": size.output_tokens,
            "concurrency": self.concurrency,
            "threads": self.threads,
        }
        options = [word for key, count in counts.items() for word in (f"--{key}", str(count))]
        unbound = ("--unbound",) if self.unbound else ()
        argv = ("step", "--model", str(self.model), *argv, *options, *unbound)
        expects = tuple(
            Measurement(workload, f"{BENCHMARK}.{quantity}", statistic, "s", None, given)
            for quantity in served.QUANTITIES
            for statistic in ("mean", "p50")
        )
        return self._step(name, workload, argv, given, expects)

    def _step(
        self,
        name: str,
        workload: str,
        argv: tuple[str, ...],
        where: Params = (),
        expects: tuple[Measurement, ...] = (),
    ) -> Step:
        command, *options = argv
        return Step(
            name=name,
            workload=workload,
            argv=(*channel.COMMAND, command, "--folder", str(self.folder), *options),
            timeout_s=_LIMIT_S,
            params=where,
            expects=expects,
            context=(("folder", str(self.folder)),),
        )


def _size(given: Mapping[str, str], size: Size) -> Size:
    return dataclasses.replace(
        size,
        users=_whole(given.get("users", str(size.users)), "users", 1, 64),
        requests=_whole(given.get("requests", str(size.requests)), "requests", 1, 100_000),
        input_tokens=_whole(
            given.get("input_tokens", str(size.input_tokens)), "input_tokens", 8, 1024
        ),
        output_tokens=_whole(
            given.get("output_tokens", str(size.output_tokens)), "output_tokens", 2, 1024
        ),
    )


def _whole(text: str, name: str, least: int, most: int) -> int:
    word = text.strip()
    if word.isascii() and word.isdigit() and len(word) < 10 and least <= int(word) <= most:  # noqa: PLR2004 - keeps int() short
        return int(word)
    raise SitegenError(
        f"{text[:40]!r} is not from {least} to {most}", where=f"--set {BENCHMARK}.{name}"
    )


def _about_s(step: Step, size: Size) -> float:
    """Estimate on two slow cores: servers and clients to start, then tokens."""
    if step.workload not in {"ladder", "shared-prefix"}:
        return 0.5 + size.handshakes / 200
    where = dict(step.params)
    contexts = size.users if where["step"] == "isolated" else 1
    tokens = int(where["output_tokens"]) / 150 + int(where["input_tokens"]) / 2000
    return 1.5 * contexts + size.users * (0.5 + size.requests * tokens)
