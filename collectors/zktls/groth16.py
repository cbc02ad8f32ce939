"""Proves a statement with Groth16 and tells each proof as a line of JSON.

A process of its own, because what it uses (groth16py, circom, circomlib) is under the GPL; its
command line is that of a `statements.Job`. `setup` compiles the circuit and makes a key of our
own, unless the one in ``--keys`` is whole; `prove` prints the lines of the contract. Both end
with code 1 and a line on stderr when something cannot be done.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import resource
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from collectors.zktls import contract, packages, statements
from collectors.zktls.statements import Instance, Job
from sitegen.collect import decode
from sitegen.errors import SitegenError

if TYPE_CHECKING:
    import groth16py

_WORD = 32  # bytes of a coordinate in a proof
#: Where the three points of a proof lie in its 256 bytes (EIP-197 order).
_POINTS = (("A", 0, 64), ("B", 64, 192), ("C", 192, 256))
_FILES = ("circuit.wasm", "generate_witness.js", "witness_calculator.js")
_PROVING_KEY, _VERIFYING_KEY, _ABOUT = "proving.key", "verifying.key", "key.json"
_LIMIT_S = 3600.0

T = TypeVar("T")
#: Whether a proof holds for these public values; groth16py's answers or raises.
Verify = Callable[[bytes, list[int]], bool]


class Key(msgspec.Struct, frozen=True):
    """What is known of a stored key."""

    setup: contract.Setup
    r1cs_sha256: str


def set_up(job: Job) -> None:
    """Compile the circuit and make its key, unless a whole one is there already.

    The file ``job.made`` says that it was made now, to the first `prove` of this run.
    """
    if job.fresh or not packages.whole(job.folder):
        with packages.making(job.folder, f"{job.statement}-{job.size}-*") as place:
            _make(job, place)
        job.made.touch()


def prove(job: Job) -> Iterator[contract.Record]:
    """Yield the records of a session: a warm-up, the measured proofs, the controls.

    The warm-up proves another instance of the statement, so that its proof serves as the valid
    proof of another statement. Raises SitegenError when there is no key.
    """
    import groth16py

    if not packages.whole(job.folder):
        raise SitegenError("there is no key, or it is damaged", where=str(job.folder))
    about = decode.document((job.folder / _ABOUT).read_bytes(), Key)
    yield contract.Prover(
        schema=1,
        prover=statements.PROVER,
        prover_version=statements.prover_version(),
        proof_system="groth16",
        proof_mode="groth16",
        program_sha256=about.r1cs_sha256,
        field="BN254",
        security_note=statements.SECURITY,
        threads=1,
        dev_mode=False,
    )
    # Only what was made in this run was measured in it.
    kept = msgspec.structs.replace(about.setup, cached=True, compile_s=None, setup_s=None)
    yield about.setup if job.made.is_file() else kept
    job.made.unlink(missing_ok=True)
    key = groth16py.ProvingKey.load(str(job.folder / _PROVING_KEY))
    verifier = groth16py.Verifier(groth16py.VerifyingKey.load(str(job.folder / _VERIFYING_KEY)))
    measured, other = statements.instances(job.statement, job.size)
    proof = other_proof = b""
    with tempfile.TemporaryDirectory(dir=job.made.parent) as place:
        for number in range(job.proofs + 1):
            instance = measured if number else other
            record, proof = _proof(job, number, instance, Path(place), key, verifier.verify)
            other_proof = other_proof or proof
            yield record
    yield from controls(job.statement, verifier.verify, (measured, proof), (other, other_proof))
    yield contract.End()


def controls(
    statement: str,
    verify: Verify,
    measured: tuple[Instance, bytes],
    other: tuple[Instance, bytes],
) -> Iterator[contract.Control]:
    """Yield what a verifier says to what it must refuse.

    ``measured`` and ``other`` are two instances, each with its proof. A key from an incomplete
    ceremony refuses a changed proof and accepts changed public values, so both are tried; and
    beside changed bits, which are no points of the curve, points of the other proof, which are.
    """
    (instance, proof), (other_instance, other_proof) = measured, other
    public = instance.public
    wrong: list[tuple[contract.Kind, str, bytes, Sequence[int]]] = []
    for index in sorted({0, len(public) - 1}):
        changed = [value + (place == index) for place, value in enumerate(public)]
        wrong.append(("public-input", f"public value {index} plus 1", proof, changed))
    for word in range(len(proof) // _WORD):
        flipped = bytearray(proof)
        flipped[word * _WORD + _WORD - 1] ^= 1
        wrong.append(("proof", f"last bit of word {word}", bytes(flipped), public))
    for name, start, end in _POINTS:
        mixed = proof[:start] + other_proof[start:end] + proof[end:]
        wrong.append(("proof", f"point {name} of another proof", mixed, public))
    wrong.append(("other-statement", "proof of another instance", other_proof, public))
    wrong.append(("other-statement", "another instance", proof, other_instance.public))
    for kind, detail, candidate, values in wrong:
        accepted, reason = False, ""
        try:
            accepted = bool(verify(candidate, list(values)))
        except Exception as error:  # noqa: BLE001 - however it says no, it is a no
            text = f": {type(error).__name__}: {error}"[:162]
            reason = "".join(c if c.isascii() and c.isprintable() else " " for c in text)
        sentence = f"{detail}{reason}"
        yield contract.Control(statement=statement, kind=kind, accepted=accepted, detail=sentence)


def _proof(  # noqa: PLR0913 - what a proof is made from
    job: Job, number: int, instance: Instance, place: Path, key: groth16py.ProvingKey, by: Verify
) -> tuple[contract.Proof, bytes]:
    """Make and check one proof; number 0 is the warm-up, of the other instance."""
    import groth16py

    inputs, witness = place / "input.json", place / "witness.wtns"
    inputs.write_bytes(instance.file)
    programs = (job.folder / "generate_witness.js", job.folder / "circuit.wasm")
    argv = [job.node, *map(str, (*programs, inputs, witness))]
    process, children = resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN
    times: dict[str, Any] = {}
    _timed(times, "witness", children, lambda: _run(argv, place, "there is no witness"))
    proof = _timed(times, "prove", process, lambda: groth16py.prove_wtns(key, str(witness)))
    verified = _timed(times, "verify", process, lambda: by(proof, list(instance.public)))
    peak = resource.getrusage(process).ru_maxrss
    record = contract.Proof(
        phase="measured" if number else "warmup",
        statement=job.statement,
        size=job.size,
        index=max(number - 1, 0),
        time_scope="total",
        verified=bool(verified),
        **times,
        proof_bytes=len(proof),
        proof_sha256=hashlib.sha256(proof).hexdigest(),
        input_sha256=hashlib.sha256(instance.file).hexdigest(),
        peak_memory_bytes=peak if sys.platform == "darwin" else peak * 1024,
    )
    return record, proof


def _make(job: Job, place: Path) -> None:
    """Compile and set up in ``place``, and leave there what `prove` needs."""
    import groth16py

    source = place / "circuit.circom"
    source.write_text(statements.circuit(job.statement, job.size), "utf-8")
    modules = (job.packages / "node_modules").absolute()
    # The compiler is WebAssembly and sees what lies below its working directory only.
    below = Path(os.path.commonpath([modules, place.absolute()]))
    options = ("--r1cs", "--wasm", "--O1", "-l", str(modules), "-o", str(place.absolute()))
    argv = [job.node, str(modules / "circom2" / "cli.js"), str(source.absolute()), *options]
    r1cs, problem = place / "circuit.r1cs", "the circuit cannot be compiled"
    process, children = resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN
    times: dict[str, Any] = {}
    _timed(times, "compile", children, lambda: _run(argv, below, problem))
    key, verifying = _timed(times, "setup", process, lambda: groth16py.setup(str(r1cs)))
    key.save(str(place / _PROVING_KEY))
    verifying.save(str(place / _VERIFYING_KEY))
    for name in _FILES:
        shutil.move(place / "circuit_js" / name, place / name)
    shutil.rmtree(place / "circuit_js")
    setup = contract.Setup(
        statement=job.statement,
        size=job.size,
        cached=False,
        compile_s=times["compile_s"],
        setup_s=times["setup_s"],
        constraints=constraints(r1cs.read_bytes()),
        key_sha256=packages.digest(place / _PROVING_KEY).hex(),
    )
    about = Key(setup, packages.digest(r1cs).hex())
    r1cs.unlink()
    (place / _ABOUT).write_bytes(msgspec.json.encode(about))


def constraints(r1cs: bytes) -> int:
    """Return how many constraints an .r1cs file has, linear ones with the others.

    Its format: 4 bytes "r1cs", version, number of sections; each section a type (u32), a length
    (u64) and its bytes. The header, type 1, is the field's size (u32), the prime, then u32
    counts of wires, public outputs, public inputs, private inputs, u64 labels, u32 constraints.
    """
    place = 12
    with contextlib.suppress(struct.error):
        while r1cs[:4] == b"r1cs":
            kind, length = struct.unpack_from("<IQ", r1cs, place)
            place += 12
            if kind == 1:
                [field] = struct.unpack_from("<I", r1cs, place)
                return int(struct.unpack_from("<I", r1cs, place + 4 + field + 24)[0])
            place += length
    raise SitegenError("the compiler's .r1cs has no header", where="groth16")


def _timed(times: dict[str, Any], stage: str, who: int, work: Callable[[], T]) -> T:
    """Return what ``work`` returns; its seconds by the wall clock and of CPU are in ``times``."""
    used = resource.getrusage(who)
    begin = time.perf_counter()
    result = work()
    wall = time.perf_counter() - begin
    now = resource.getrusage(who)
    cpu = now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime
    times |= {f"{stage}_s": wall, f"{stage}_cpu_s": cpu}
    return result


def _run(argv: list[str], place: Path, problem: str) -> None:
    try:
        done = subprocess.run(argv, cwd=place, capture_output=True, timeout=_LIMIT_S, check=False)
    except OSError as error:
        raise SitegenError(f"{problem}: {error.strerror}", where=argv[0]) from error
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).decode("utf-8", "replace").strip().splitlines()
        # Node prints its version last, and the error above it.
        errors = [line for line in lines if "rror" in line] or [f"code {done.returncode}"]
        raise SitegenError(f"{problem}: {errors[0].strip()[:200]}", where="groth16")


def main() -> int:
    """Do what the command line says; returns the exit code."""
    try:
        action, job = statements.job(sys.argv[1:])
        if action == "setup":
            set_up(job)
        else:
            for record in prove(job):
                print(msgspec.json.encode(record).decode(), flush=True)  # noqa: T201 - a command
    except Exception as error:  # noqa: BLE001 - the library's own are plain exceptions
        kind = "" if isinstance(error, SitegenError) else f"groth16: {type(error).__name__}: "
        print(f"{kind}{error}", file=sys.stderr)  # noqa: T201 - a command
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
