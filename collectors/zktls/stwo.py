"""Proving the encryption of one TLS record with the S-two prover (`stwo.mjs`)."""

from __future__ import annotations

from pathlib import Path

from sitegen.errors import SitegenError

PROVER = "s-two"
PACKAGE = "@reclaimprotocol/zk-symmetric-crypto"
#: Of its `s2circuits_bg.wasm`, the prover and the verifier.
PROGRAM_SHA256 = "b9e99ceca550fee65829424a9efcae26785fa03407ed90f71ef4da39e6d0167d"
CIPHERS = ("chacha20", "aes-128-ctr", "aes-256-ctr")
BLOCK = 64
#: More needs over 2 GB, and WebAssembly has 4.
MOST = 1 << 18

_DRIVER = Path(__file__).with_name("stwo.mjs")
#: Seconds of one proof on a slow core: fixed, and a byte.
_COST = {
    "chacha20": (0.4, 1.1e-4),
    "aes-128-ctr": (1.0, 8e-4),
    "aes-256-ctr": (1.5, 1.2e-3),
}


def argv(node: str, packages: Path, cipher: str, size: int, proofs: int) -> tuple[str, ...]:
    """Return the command that proves one record of ``size`` bytes, ``proofs`` times.

    Raises SitegenError for a size that the prover does not take.
    """
    if size % BLOCK or not BLOCK <= size <= MOST:
        raise SitegenError(
            f"{size} bytes cannot be proven: it takes multiples of {BLOCK} up to {MOST}",
            where="--set zktls.sizes",
        )
    about = ("--cipher", cipher, "--size", str(size), "--proofs", str(proofs))
    return (node, str(_DRIVER), "--packages", str(packages), *about)


def about_s(cipher: str, size: int, proofs: int) -> float:
    """Estimate how long a step takes: its proofs, a slower warm-up, and the controls."""
    fixed, byte = _COST[cipher]
    return 2.0 + (proofs + 1.5) * (fixed + byte * size)
