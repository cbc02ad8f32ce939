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

#: A key made for this file and thrown away: its modulus, and the PKCS#1 v1.5 signatures of
#: two messages.
_NUMBERS = """
de2d5ca4cd993b8418e3e6a78456165c4232c71384ccf4ae0f9d30544d1cc085d4a1fcbfc418feb08ef422119df59b0d
29f43c37d9acc11d849b9219824f99dd47509cef948644c1535510151287dc3dfb16d4ae4e0d4266857922f6be41c9fe
f77b3f90e447a5b76ec8b00a697952c597d7c8d21c6feca6ed99d7e41672c436007218bdc1fa1c6bcf325e90375bfd4a
dad5e28e4f4f0c12eaf5bfa3356918086aa52c6e8e4afa39a95311cf08c304b3ec035a5cca1ef9351bb3020e2753485f
6e520e0b4b7572be31bda29393d1f5f13418a1cef270341dcf41bf9597e0df18db2704681e62fd0e9d12d538e05e971b
88ed09181f03526704f5fac9261da339

2c1841a44c520536db6ac0c4f0f5617bc171b0376ae86c894f335f872b9ea738948eebb1d557c54546e218847e42c4c7
7884a23b6a8c6b7301f5ad2cc05b039d4aaebe847563e3239d21dbfb5b8f119064c88e5380d666c49eaa63d00daf23cb
ee7e47d54a41bd3b9f5852fbfd1c91548e7f6ebabfd9d2ba35e481e849d2a3d3939f95e8d3d0843c1bb1414ff93583f5
9a413877749982217c77d043ead71ead19040c3e73df2c356a5bdc96be4c6c24f22f9717efe8159c110832b2725bfb07
8e6b59dfa1eff4e46c862361910b0d1f0141224250146fee139a019ba47829e2eb315abc2916e2216cbe7363c74df953
1e76e7c6959500ea60d2e4aa29b7e362

47a513e6a5e3fbee8afea9f57541846d25770eea2615daff88dc9fcd0fd69fd106520c1cb2b25aab80467edf9d5b8e59
f2d4e657e56137bc0fd8e795c57c0496fc2ee1402f9567ce66c6f27acd70ec514605f1109bb0fbacfd5dddea7817f5fa
e4f194109a8b1e026905aa26870e0d5735a653b139c16882a922821921a6733b39a089c0654d5aca6aa62b19af9d0573
dc1432eed8a7cf99cdb4005fa5fb4ebb27c676a48f27d5ccbac3e15fff7356c617544f95ffe58936527c9cee423860da
d1a54e49ae4b037f0668dda90767d7a1b802caa52535b9af99788b4679dbce44d9053b38c79ede1d05a3948d508597c5
9242cf44585a965aa92fa8bdd8cab0ab
"""
RSA_MODULUS, *RSA_SIGNATURES = (
    int("".join(number.split()), 16) for number in _NUMBERS.split("\n\n")
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
    source = Path(__file__).with_name(f"{statement}.circom").read_text("utf-8")
    return source.replace("BYTES", str(size))


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
