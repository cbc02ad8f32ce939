"""What is proven with Groth16, and by whom: circuits, their fixed inputs and public values.

Inputs are fixed because proofs of different inputs are different proofs. The public values are
computed here and not by the prover, so that what a verifier accepts is checked from outside.
Standard library only.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from sitegen.errors import SitegenError

#: Raised when an input or a circuit changes: runs before and after do not compare.
EDITION = "1"
PROVER = "groth16py"
SECURITY = "BN254, single-party set-up: a benchmark key, not for production"
SHA_256 = "sha-256"
RSA_2048 = "rsa-2048-verify"
STATEMENTS = (SHA_256, RSA_2048)

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
        raise SitegenError(
            f"{PROVER} is not installed", where="groth16", fix="pip install 'sitegen[zktls]'"
        ) from error


@dataclass(frozen=True, slots=True)
class Instance:
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
