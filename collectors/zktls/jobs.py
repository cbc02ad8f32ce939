"""What is to be proven, by S-two (`stwo.mjs`) or Groth16, and the command line that says it."""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from collectors.zktls import statements
from sitegen.errors import SitegenError

STWO = "s-two"
#: Of S-two: its package, and the digest of its `s2circuits_bg.wasm`, prover and verifier.
PACKAGE = "@reclaimprotocol/zk-symmetric-crypto"
PROGRAM_SHA256 = "b9e99ceca550fee65829424a9efcae26785fa03407ed90f71ef4da39e6d0167d"
#: The ciphers that S-two proves: seconds of one proof on a slow core, fixed and a byte.
CIPHERS = {
    "chacha20": (0.4, 1.1e-4),
    "aes-128-ctr": (1.0, 8e-4),
    "aes-256-ctr": (1.5, 1.2e-3),
}
BLOCK = 64
#: More needs over 2 GB, and WebAssembly has 4.
MOST = 1 << 18
_DRIVER = Path(__file__).with_name("stwo.mjs")


@dataclass(frozen=True, slots=True)
class Job:
    """What a process is to do, and with what; S-two needs no keys."""

    statement: str
    size: int
    packages: Path
    keys: Path
    made: Path
    node: str
    fresh: bool = False
    proofs: int = 1

    @property
    def prover(self) -> tuple[str, str]:
        """Return the prover and its proof system."""
        ours = self.statement in CIPHERS
        return (STWO, "stark") if ours else (statements.PROVER, "groth16")

    @property
    def folder(self) -> Path:
        """Return where the key lies: another circuit, tool or version has another folder."""
        circuit = statements.circuit(self.statement, self.size).encode()
        lock = (self.packages / "package-lock.json").read_bytes()
        parts = (circuit, lock, statements.prover_version().encode())
        digest = hashlib.sha256(b"\0".join(parts)).hexdigest()
        return self.keys / f"{self.statement}-{self.size}-{digest[:16]}"

    @property
    def about_s(self) -> float:
        """Estimate how long it takes: its proofs, a slower warm-up, the controls, its key."""
        if self.statement in CIPHERS:
            fixed, byte = CIPHERS[self.statement]
            return 2.0 + (self.proofs + 1.5) * (fixed + byte * self.size)
        thousands = 190 if self.statement == statements.RSA_2048 else 30 + 0.5 * self.size
        return thousands * (0.1 + 0.03 * (self.proofs + 1))

    def command(self, action: str = "prove") -> tuple[str, ...]:
        """Return the command line; raises SitegenError for a size that S-two does not take."""
        size, proofs = ("--size", str(self.size)), ("--proofs", str(self.proofs))
        packages = ("--packages", str(self.packages))
        if self.statement not in CIPHERS:
            return (
                *(sys.executable, "-m", "collectors.zktls.groth16", action),
                *("--statement", self.statement, *size, "--node", self.node),
                *(*packages, "--keys", str(self.keys), "--made", str(self.made)),
                *(proofs if action == "prove" else ("--fresh",) * self.fresh),
            )
        if self.size % BLOCK or not BLOCK <= self.size <= MOST:
            told = f"{self.size} bytes cannot be proven: it takes multiples of {BLOCK} up to {MOST}"
            raise SitegenError(told, where="--set zktls.sizes")
        return (self.node, str(_DRIVER), *packages, "--cipher", self.statement, *size, *proofs)


def read(words: Sequence[str]) -> tuple[str, Job]:
    """Return the action and the job that a command line of Groth16 names."""
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
