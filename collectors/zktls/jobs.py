"""What a process of Groth16 is to do, and the command line that says it."""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from collectors.zktls import statements


@dataclass(frozen=True, slots=True)
class Job:
    """What a process is to do, and with what."""

    statement: str
    size: int
    packages: Path
    keys: Path
    made: Path
    node: str
    fresh: bool = False
    proofs: int = 1

    @property
    def folder(self) -> Path:
        """Return where the key lies: another circuit, tool or version has another folder."""
        circuit = statements.circuit(self.statement, self.size).encode()
        lock = (self.packages / "package-lock.json").read_bytes()
        parts = (circuit, lock, statements.prover_version().encode())
        digest = hashlib.sha256(b"\0".join(parts)).hexdigest()
        return self.keys / f"{self.statement}-{self.size}-{digest[:16]}"


def command(action: str, job: Job) -> tuple[str, ...]:
    """Return the command line that `read` takes ``job`` from."""
    more = ("--proofs", str(job.proofs)) if action == "prove" else ("--fresh",) * job.fresh
    return (
        *(sys.executable, "-m", "collectors.zktls.groth16", action),
        *("--statement", job.statement, "--size", str(job.size), "--node", job.node),
        *("--packages", str(job.packages), "--keys", str(job.keys), "--made", str(job.made)),
        *more,
    )


def about_s(job: Job) -> float:
    """Estimate how long a job takes: loading its key, then its proofs."""
    thousands = 190 if job.statement == statements.RSA_2048 else 30 + 0.5 * job.size
    return thousands * (0.1 + 0.03 * (job.proofs + 1))


def read(words: Sequence[str]) -> tuple[str, Job]:
    """Return the action and the job that a command line names."""
    parser = argparse.ArgumentParser(prog="groth16", allow_abbrev=False)
    parser.add_argument("action", choices=("setup", "prove"))
    parser.add_argument("--statement", required=True, choices=statements.STATEMENTS)
    parser.add_argument("--size", type=int, required=True)
    for folder in ("packages", "keys", "made"):
        # Absolute, because programs are run in other folders.
        parser.add_argument(f"--{folder}", type=lambda p: Path(p).absolute(), required=True)
    parser.add_argument("--node", default="node")
    parser.add_argument("--proofs", type=int, default=1)
    parser.add_argument("--fresh", action="store_true")
    given = vars(parser.parse_args(words))
    return given.pop("action"), Job(**given)
