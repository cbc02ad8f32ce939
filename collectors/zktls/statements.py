"""What is proven, by S-two (`stwo.mjs`) or Groth16: circuits, fixed inputs, and command lines.

Inputs are fixed because proofs of different inputs are different proofs. The public values are
computed here and not by the prover, so that what a verifier accepts is checked from outside.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import msgspec
from msgspec import Struct

from sitegen.collect import install
from sitegen.errors import SitegenError

#: Raised when an input or a circuit changes: runs before and after do not compare.
EDITION = "1"
PROVER = "groth16py"
SECURITY = "BN254, single-party set-up: a benchmark key, not for production"
SHA_256 = "sha-256"
RSA_2048 = "rsa-2048-verify"
STATEMENTS = (SHA_256, RSA_2048)

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

#: Limbs as @zk-email/circuits recommends for 2048 bits; a digest is the whole message.
_LIMB_BITS, _LIMBS = 121, 17
RSA_SIZE = 256
MOST_HASHED = 4096

_HALF_BITS = 128  # a digest does not fit into one element of the field, two halves do

_HERE = Path(__file__).parent
#: A key made for this file and thrown away: its modulus, and the PKCS#1 v1.5 signatures of
#: two messages.
RSA_MODULUS, *RSA_SIGNATURES = (
    int("".join(number.split()), 16)
    for number in (_HERE / "rsa-2048-verify.txt").read_text("ascii").split("\n\n")
)
RSA_MESSAGES = (
    b"sitegen: the signed message that is measured",
    b"sitegen: the signed message of the warm-up",
)


def prover_version() -> str:
    """Return the installed version of groth16py; raises SitegenError when there is none."""
    try:
        return version(PROVER)
    except PackageNotFoundError as error:
        message, fix = f"{PROVER} is not installed", install("zktls")
        raise SitegenError(message, where="groth16", fix=fix) from error


class Instance(Struct, frozen=True):
    """One instance of a statement: what the circuit is given, and what a verifier is."""

    inputs: Mapping[str, list[str]]
    public: tuple[int, ...]

    @property
    def file(self) -> bytes:
        """Return the inputs as the JSON that a witness generator of circom reads."""
        return json.dumps(self.inputs, sort_keys=True).encode()


def circuit(statement: str, size: int) -> str:
    """Return the circom source of a statement about ``size`` bytes.

    Raises SitegenError for one that there is not.
    """
    fits = 1 <= size <= MOST_HASHED if statement == SHA_256 else size == RSA_SIZE
    if statement not in STATEMENTS or not fits:
        raise SitegenError(f"there is no circuit {statement!r} for {size} bytes", where="groth16")
    return (_HERE / f"{statement}.circom").read_text("utf-8").replace("BYTES", str(size))


def instances(statement: str, size: int) -> tuple[Instance, Instance]:
    """Return the instance that is measured and the one of the warm-up, both true.

    ``size`` is the number of bytes hashed, or of the signature.
    """
    circuit(statement, size)
    if statement == SHA_256:
        return _hashed(size, 3), _hashed(size, 11)
    return _signed(0), _signed(1)


def _hashed(size: int, first: int) -> Instance:
    data = bytes((7 * i + first) % 256 for i in range(size))
    digest = int.from_bytes(hashlib.sha256(data).digest(), "big")
    return Instance({"data": [str(byte) for byte in data]}, _chunks(digest, _HALF_BITS, 2)[::-1])


def _signed(index: int) -> Instance:
    digest = int.from_bytes(hashlib.sha256(RSA_MESSAGES[index]).digest(), "big")
    numbers = {"message": digest, "modulus": RSA_MODULUS, "signature": RSA_SIGNATURES[index]}
    limbs = {name: _chunks(number, _LIMB_BITS, _LIMBS) for name, number in numbers.items()}
    inputs = {name: [str(limb) for limb in chunks] for name, chunks in limbs.items()}
    return Instance(inputs, (*limbs["message"], *limbs["modulus"]))


def _chunks(number: int, bits: int, count: int) -> tuple[int, ...]:
    """Return ``number`` in limbs, the least significant first."""
    return tuple(number >> bits * index & (1 << bits) - 1 for index in range(count))


class Job(Struct, frozen=True):
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
    def folder(self) -> Path:
        """Return where the key lies: another circuit, tool or version has another folder."""
        lock = (self.packages / "package-lock.json").read_bytes()
        parts = (circuit(self.statement, self.size).encode(), lock, prover_version().encode())
        digest = hashlib.sha256(b"\0".join(parts)).hexdigest()
        return self.keys / f"{self.statement}-{self.size}-{digest[:16]}"

    @property
    def about_s(self) -> float:
        """Estimate how long it takes: its proofs, a slower warm-up, the controls, its key."""
        if self.statement in CIPHERS:
            fixed, byte = CIPHERS[self.statement]
            return 2.0 + (self.proofs + 1.5) * (fixed + byte * self.size)
        thousands = 190 if self.statement == RSA_2048 else 30 + 0.5 * self.size
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
            text = f"{self.size} bytes cannot be proven: it takes multiples of {BLOCK} up to {MOST}"
            raise SitegenError(text, where="--set zktls.sizes")
        return (self.node, str(_DRIVER), *packages, "--cipher", self.statement, *size, *proofs)


def job(words: Sequence[str]) -> tuple[str, Job]:
    """Return the action and the job that a command line of Groth16 names."""
    action, *rest = words
    options = iter(rest)
    values = {name[2:]: "true" if name == "--fresh" else next(options, "") for name in options}
    return action, msgspec.convert(values, Job, strict=False, dec_hook=_absolute)


def _absolute(kind: type[Path], text: str) -> Path:
    return kind(text).absolute()  # because programs are run in other folders
