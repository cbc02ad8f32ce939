"""zkTLS: proofs about a TLS record, a certificate's signature and a hash, with real provers."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct, structs

from collectors.zktls import contract, controls, packages, statements
from collectors.zktls.readers import READERS, proofs
from sitegen.collect import (
    LEFT_OUT,
    Host,
    Missing,
    Plan,
    RawOutput,
    Reading,
    Request,
    Step,
    install,
)
from sitegen.collect.recorder import Recorder
from sitegen.collect.settings import Settings, described
from sitegen.errors import SitegenError
from sitegen.model import (
    OWN_COMMAND,
    Comparability,
    Measurement,
    MetricDefinition,
    ToolIdentity,
    params,
)

__all__ = ["BENCHMARK", "READERS", "SETTINGS", "detect", "parse", "plan", "run"]

BENCHMARK = "zktls"
_Cipher = Literal["chacha20", "aes-128-ctr", "aes-256-ctr"]
_Statement = Literal[_Cipher, "sha-256", "rsa-2048-verify"]
_Record = Annotated[int, Meta(ge=statements.BLOCK, le=statements.MOST)]
_Hashed = Annotated[int, Meta(ge=1, le=statements.MOST_HASHED)]
_Proofs = Annotated[
    int, described("measured proofs of each step, after one warm-up (default: 5)", ge=1, le=1000)
]
_Limit = Annotated[int, described("seconds that it may take (default: 3600)", ge=1, le=604800)]


class SETTINGS(Settings, frozen=True):
    """What ``--set`` may change."""

    statements: Annotated[
        tuple[_Statement, ...], described("what is proven: ciphers with S-two, others with Groth16")
    ] = ()
    cipher: Annotated[_Cipher, described("the record's cipher (default: chacha20)")] | None = None
    sizes: Annotated[
        tuple[_Record, ...],
        described("bytes of the record, multiples of 64 (default: 1024,16384,65536)"),
    ] = ()
    hash_sizes: Annotated[tuple[_Hashed, ...], described("bytes hashed (default: 64,256)")] = ()
    proofs: _Proofs | None = None
    setup: Annotated[
        Literal["keep", "fresh"], described("fresh: the Groth16 keys are made anew")
    ] = "keep"
    command: Annotated[
        str, described("a prover of your own, which prints JSON lines (see the docs)")
    ] = ""
    timeout: _Limit | None = None


_OLDEST_NODE = 18
_LIMIT_S = 3600.0
_CACHE_BYTES = 300e6  # the provers' packages and the keys, as installed
_DURATION = MetricDefinition(
    "zktls.command.duration",
    "Duration of the command",
    "s",
    "none",
    "From the start of a prover of one's own to its end: its setup, warm-up, proofs and controls.",
)
#: What a command proves is known only after it has, so this is what it must deliver.
_OWN_ROW = Measurement(OWN_COMMAND, _DURATION.id, "value", _DURATION.unit, None)
_CHACHA, _HASH = "chacha20", statements.SHA_256


class Preset(Struct, frozen=True):
    """How much work it does."""

    statements: tuple[str, ...]
    records: tuple[int, ...]
    hashed: tuple[int, ...]
    proofs: int


_PRESETS = {
    "quick": Preset((_CHACHA, _HASH), (1024, 16384), (64,), 2),
    "standard": Preset((_CHACHA, *statements.STATEMENTS), (1024, 16384, 65536), (64, 256), 5),
    "thorough": Preset((_CHACHA, *statements.STATEMENTS), (1024, 16384, 65536), (64, 256, 1024), 5),
}


def detect(host: Host) -> ToolIdentity | Missing:
    """Return Node.js, which the provers run in; they are installed when they are needed."""
    node = host.find("node")
    if node is None:
        return Missing("Node.js", "apt install nodejs npm", unless="command")
    text = host.run([node, "--version"], timeout_s=20).stdout.decode("utf-8", "replace").strip()
    match = re.fullmatch(r"v(\d{1,4})\.[\w.+-]{1,40}", text)
    if match is None or int(match[1]) < _OLDEST_NODE:
        return Missing(f"Node.js {_OLDEST_NODE} or newer", unless="command")
    if host.find("npm") is None:
        return Missing("npm", "apt install npm", unless="command")
    return host.identify("node", node, text.removeprefix("v"))


def plan(tool: ToolIdentity, request: Request) -> Plan:
    """Return the steps of the embedded provers, or the one of a prover of the user's own.

    Raises SitegenError for a setting that cannot be met.
    """
    settings = request.read(SETTINGS)
    if settings.command:
        return _own(request, settings)
    if settings.timeout:
        message = "it is for a command of your own, and there is none"
        fix = "give zktls.command too, or leave it out"
        raise SitegenError(message, where="--set zktls.timeout", fix=fix)
    preset = _PRESETS[request.preset]
    work, left_out = _work(settings, preset)
    count = settings.proofs or preset.proofs
    npm, place = Host().find("npm") or "npm", packages.folder(request.cache)
    keys, scratch = request.cache / "keys", ("scratch", str(request.scratch))
    prepare, steps, about_s = [packages.step(npm, request.cache)], [], 0.0
    for statement, size in work:
        name = statement if statement == statements.RSA_2048 else f"{statement}-{size}"
        marker, fresh = request.scratch / f"{name}.json", settings.setup == "fresh"
        job = statements.Job(statement, size, place, keys, marker, tool.path, fresh, count)
        if statement in statements.STATEMENTS:
            argv = job.command("setup")
            prepare.append(Step(f"setup-{name}", "setup", argv, _LIMIT_S, context=(scratch,)))
        steps.append(_proving(name, job, scratch))
        about_s += job.about_s
    recorder = _settings(tool, count, left_out, with_keys=len(prepare) > 1)
    parameters = recorder.parameters.values()
    return Plan(tuple(steps), tuple(parameters), tuple(prepare), about_s, _CACHE_BYTES)


def run(step: Step, host: Host) -> RawOutput:
    """Run one step; raises Refused when the environment asks for fake proofs."""
    controls.refuse_fakes(os.environ)
    if step.name == "install":
        return packages.install(step, host)
    raw = host.run(
        step.argv,
        timeout_s=step.timeout_s,
        cwd=Path(step.get("scratch")),
        # Of a prover that would take them all: the embedded ones are measured on one thread.
        environ=None if step.workload == OWN_COMMAND else {"RAYON_NUM_THREADS": "1"},
    )
    recorder = Recorder()
    with contextlib.suppress(SitegenError):
        contract.settings(recorder, contract.read(raw.stdout))
    values = tuple((parameter.name, parameter.value) for parameter in recorder.parameters.values())
    return structs.replace(raw, values=values)


def parse(step: Step, raw: RawOutput) -> Reading:
    """Return what the proofs took.

    Raises Refused when the numbers mean nothing, and SitegenError when the prover gave up or
    does not keep to the contract.
    """
    controls.refuse_accepted(raw.stdout)
    if raw.exit_code != 0:
        raise SitegenError(f"code {raw.exit_code}: {raw.reason}", where=step.name)
    session = contract.read(raw.stdout)
    controls.require(session)
    recorder = Recorder()
    own = step.workload == OWN_COMMAND
    contract.record(recorder, session, proofs.label if own else lambda _: step.workload)
    if own:
        # As it is called where its lines are imported.
        recorder.tool = contract.tool(session)
        if raw.duration_s:
            recorder.put(_OWN_ROW._replace(value=raw.duration_s), "")
        return recorder.reading()
    for difference in _differences(step, session):
        raise SitegenError(difference, where=step.name)
    if session.prover.prover == statements.STWO:
        # It makes its witness inside the proof: there is nothing to add for the total.
        for row in tuple(recorder.measurements):
            if row.metric == "zktls.prove_time":
                recorder.put(row._replace(metric="zktls.total_time"), "")
    return recorder.reading()


def _differences(step: Step, session: contract.Session) -> Iterator[str]:
    """Yield in what an embedded prover did not do what the step asked for."""
    expected, prover = dict(step.params), session.prover
    for proof in session.proofs:
        if (proof.statement, str(proof.size)) != (expected["statement"], expected["size"]):
            yield f"it proved {proof.statement} of {proof.size} bytes"
    if prover.prover != expected["prover"]:
        yield f"it is the prover {prover.prover}"
    if prover.prover == statements.STWO and len({p.proof_sha256 for p in session.measured}) > 1:
        yield "its proofs of one statement differ, and should not"
    if step.get("program_sha256") not in ("", prover.program_sha256):
        yield "the program of the prover has changed: delete the cache of zktls and collect again"


def _proving(name: str, job: statements.Job, scratch: tuple[str, str]) -> Step:
    """Return a step that proves a statement, with what it must deliver."""
    prover, system = statements.PROVER, "groth16"
    program: tuple[tuple[str, str], ...] = ()
    if job.statement in statements.CIPHERS:
        prover, system = statements.STWO, "stark"
        program = (("program_sha256", statements.PROGRAM_SHA256),)
    work = {"statement": job.statement, "size": job.size, "threads": 1}
    about = params(prover=prover, proof_system=system, proof_mode=system, **work)
    scoped = params(**dict(about), time_scope="total")
    expects = (
        Measurement(job.statement, "zktls.prove_time", "mean", "s", None, scoped),
        Measurement(job.statement, "zktls.verify_time", "mean", "s", None, about),
        Measurement(job.statement, "zktls.proof_size", "value", "B", None, about),
    )
    context = (*program, scratch)
    return Step(name, job.statement, job.command(), _LIMIT_S, about, expects, context)


def _settings(tool: ToolIdentity, proofs: int, left_out: str, *, with_keys: bool) -> Recorder:
    recorder, ignored = Recorder(), Comparability.IGNORED
    exact = packages.versions()
    circuits = ("circom2", "circomlib", "@zk-email/circuits")
    recorder.parameter("s_two", f"{statements.PACKAGE} {exact[statements.PACKAGE]}")
    recorder.parameter("s_two_program_sha256", statements.PROGRAM_SHA256)
    recorder.parameter("circuits", ", ".join(f"{name} {exact[name]}" for name in circuits))
    recorder.parameter("inputs", f"fixed, edition {statements.EDITION}")
    recorder.parameter("tool_version", tool.version, Comparability.CAVEAT)
    recorder.parameter("proofs", f"{proofs} after 1 warm-up", Comparability.CAVEAT)
    recorder.parameter("controls", ", ".join(contract.CONTROLS), ignored)
    recorder.parameter("security_s_two", "the package documents no security level", ignored)
    if with_keys:
        # Not what must match: with a run that has no Groth16 step, the others compare.
        recorder.parameter("groth16py", statements.prover_version(), Comparability.CAVEAT)
        recorder.parameter("security_groth16", statements.SECURITY, ignored)
    recorder.parameter(LEFT_OUT, left_out or None, ignored)
    return recorder


def _own(request: Request, settings: SETTINGS) -> Plan:
    argv, problem = [""], "is empty"
    try:
        argv = shlex.split(settings.command)
    except ValueError as error:
        problem = f"is no command: {error}".lower()
    if others := sorted(set(request.settings) - {"command", "timeout"}):
        problem = f"{others[0]} is for the embedded provers, which a command takes the place of"
    if others or not argv[0]:
        raise SitegenError(problem, where="--set zktls.command")
    scratch, limit_s = (("scratch", str(Path.cwd())),), float(settings.timeout or _LIMIT_S)
    step = Step(
        OWN_COMMAND, OWN_COMMAND, tuple(argv), limit_s, expects=(_OWN_ROW,), context=scratch
    )
    return Plan(steps=(step,), about_s=60.0, definitions=(_DURATION,))


def _work(settings: SETTINGS, preset: Preset) -> tuple[list[tuple[str, int]], str]:
    """Return each statement to prove with each of its sizes, and what is left out and why."""
    if settings.statements and settings.cipher:
        raise SitegenError("name the cipher in statements", where="--set zktls.cipher")
    usual = (settings.cipher or _CHACHA if s == _CHACHA else s for s in preset.statements)
    chosen, left_out = tuple(dict.fromkeys(settings.statements or usual)), ""
    absent = [statement for statement in chosen if statement in statements.STATEMENTS]
    if absent and importlib.util.find_spec(statements.PROVER) is None:
        if settings.statements:
            statements.prover_version()  # says that it is missing
        chosen = tuple(statement for statement in chosen if statement not in absent)
        left_out = f"{', '.join(absent)}: groth16py is not installed ({install('zktls')})"
    records = tuple(sorted({*settings.sizes})) or preset.records
    hashed = tuple(sorted({*settings.hash_sizes})) or preset.hashed
    sizes = dict.fromkeys(statements.CIPHERS, records) | {_HASH: hashed}
    rsa = (statements.RSA_SIZE,)
    return [(name, size) for name in chosen for size in sizes.get(name, rsa)], left_out
