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

_SHA_CIRCUIT = """pragma circom 2.1.6;

include "circomlib/circuits/bitify.circom";
include "circomlib/circuits/sha256/sha256.circom";

// Knowledge of n bytes whose SHA-256 is the public digest, as two big-endian halves.
template HashedBytes(n) {
    signal input data[n];
    signal output digest[2];

    component bits[n];
    component hash = Sha256(8 * n);
    for (var i = 0; i < n; i++) {
        bits[i] = Num2Bits(8);
        bits[i].in <== data[i];
        for (var j = 0; j < 8; j++) {
            hash.in[8 * i + j] <== bits[i].out[7 - j];
        }
    }

    component half[2];
    for (var h = 0; h < 2; h++) {
        half[h] = Bits2Num(128);
        for (var j = 0; j < 128; j++) {
            half[h].in[j] <== hash.out[128 * h + 127 - j];
        }
        digest[h] <== half[h].out;
    }
}

component main = HashedBytes(%d);
"""

_RSA_CIRCUIT = f"""pragma circom 2.1.6;

include "@zk-email/circuits/lib/rsa.circom";

component main {{public [message, modulus]}} = RSAVerifier65537({_LIMB_BITS}, {_LIMBS});
"""

#: A key made for this file and thrown away: its modulus, and the PKCS#1 v1.5 signatures of
#: two messages.
RSA_MODULUS = int(
    (
        "de2d5ca4cd993b8418e3e6a78456165c4232c71384ccf4ae0f9d30544d1cc085d4a1fcbfc418feb0"
        "8ef422119df59b0d29f43c37d9acc11d849b9219824f99dd47509cef948644c1535510151287dc3d"
        "fb16d4ae4e0d4266857922f6be41c9fef77b3f90e447a5b76ec8b00a697952c597d7c8d21c6feca6"
        "ed99d7e41672c436007218bdc1fa1c6bcf325e90375bfd4adad5e28e4f4f0c12eaf5bfa335691808"
        "6aa52c6e8e4afa39a95311cf08c304b3ec035a5cca1ef9351bb3020e2753485f6e520e0b4b7572be"
        "31bda29393d1f5f13418a1cef270341dcf41bf9597e0df18db2704681e62fd0e9d12d538e05e971b"
        "88ed09181f03526704f5fac9261da339"
    ),
    16,
)
RSA_MESSAGES = (
    b"sitegen: the signed message that is measured",
    b"sitegen: the signed message of the warm-up",
)
RSA_SIGNATURES = (
    int(
        (
            "2c1841a44c520536db6ac0c4f0f5617bc171b0376ae86c894f335f872b9ea738948eebb1d557c545"
            "46e218847e42c4c77884a23b6a8c6b7301f5ad2cc05b039d4aaebe847563e3239d21dbfb5b8f1190"
            "64c88e5380d666c49eaa63d00daf23cbee7e47d54a41bd3b9f5852fbfd1c91548e7f6ebabfd9d2ba"
            "35e481e849d2a3d3939f95e8d3d0843c1bb1414ff93583f59a413877749982217c77d043ead71ead"
            "19040c3e73df2c356a5bdc96be4c6c24f22f9717efe8159c110832b2725bfb078e6b59dfa1eff4e4"
            "6c862361910b0d1f0141224250146fee139a019ba47829e2eb315abc2916e2216cbe7363c74df953"
            "1e76e7c6959500ea60d2e4aa29b7e362"
        ),
        16,
    ),
    int(
        (
            "47a513e6a5e3fbee8afea9f57541846d25770eea2615daff88dc9fcd0fd69fd106520c1cb2b25aab"
            "80467edf9d5b8e59f2d4e657e56137bc0fd8e795c57c0496fc2ee1402f9567ce66c6f27acd70ec51"
            "4605f1109bb0fbacfd5dddea7817f5fae4f194109a8b1e026905aa26870e0d5735a653b139c16882"
            "a922821921a6733b39a089c0654d5aca6aa62b19af9d0573dc1432eed8a7cf99cdb4005fa5fb4ebb"
            "27c676a48f27d5ccbac3e15fff7356c617544f95ffe58936527c9cee423860dad1a54e49ae4b037f"
            "0668dda90767d7a1b802caa52535b9af99788b4679dbce44d9053b38c79ede1d05a3948d508597c5"
            "9242cf44585a965aa92fa8bdd8cab0ab"
        ),
        16,
    ),
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
    if statement == SHA_256 and 1 <= size <= MOST_HASHED:
        return _SHA_CIRCUIT % size
    if statement == RSA_2048 and size == RSA_SIZE:
        return _RSA_CIRCUIT
    raise SitegenError(f"there is no circuit {statement!r} for {size} bytes", where="groth16")


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
    message, modulus, signature = (
        _chunks(number, _LIMB_BITS, _LIMBS)
        for number in (digest, RSA_MODULUS, RSA_SIGNATURES[index])
    )
    inputs = {
        "message": [str(limb) for limb in message],
        "modulus": [str(limb) for limb in modulus],
        "signature": [str(limb) for limb in signature],
    }
    return Instance(inputs, (*message, *modulus))


def _chunks(number: int, bits: int, count: int) -> tuple[int, ...]:
    """Return ``number`` in limbs, the least significant first."""
    return tuple(number >> bits * index & (1 << bits) - 1 for index in range(count))
