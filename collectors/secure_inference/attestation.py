"""Verifying attestation evidence, and that the verifier refuses what it must.

The verifier is dcap-qvl: certificate chains, revocation lists, TCB information and the
signatures of the quote, offline and at a given time. What binds a quote to a TLS connection
is here: the first 32 bytes of its report data are the SHA-256 of the endpoint's public key.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime

from msgspec.structs import replace

from collectors.secure_inference import evidence, timings
from collectors.secure_inference.evidence import Evidence
from collectors.secure_inference.timings import Check, Line, Value
from sitegen.errors import SitegenError

DIGEST_BYTES = 32
CONTROLS = ("flipped-report-data-bit", "wrong-root")


def verify(given: Evidence) -> tuple[str, int]:
    """Return the TCB status of evidence whose signatures are right, and its number of advisories.

    Raises SitegenError with the verifier's reason when it is refused.
    """
    import dcap_qvl

    try:
        collateral = dcap_qvl.QuoteCollateralV3.from_json(given.collateral)
        if given.root:
            report = dcap_qvl.verify_with_root_ca(given.quote, collateral, given.root, given.at)
        else:
            report = dcap_qvl.verify(given.quote, collateral, given.at)
    except (ValueError, OverflowError) as error:
        told = f"the quote is refused: {str(error)[:200]}"
        fix = "give a quote with the collateral, and the time, that it was valid at"
        raise SitegenError(told, where="attestation", fix=fix) from error
    return report.status, len(report.advisory_ids)


def parse(given: Evidence) -> str:
    """Parse a quote without verifying it and return its kind; raises SitegenError."""
    import dcap_qvl

    try:
        return str(dcap_qvl.parse_quote(given.quote).quote_type())
    except ValueError as error:
        told = f"the quote cannot be parsed: {str(error)[:200]}"
        raise SitegenError(told, where="attestation") from error


def refused(given: Evidence) -> bool:
    """Return whether the verifier refuses evidence."""
    try:
        verify(given)
    except SitegenError:
        return True
    return False


def controls(given: Evidence) -> dict[str, Evidence]:
    """Return what every verifier must refuse, by name: one bit flipped, and another root."""
    flipped = bytearray(given.quote)
    flipped[evidence.REPORT_DATA_AT] ^= 1
    other = evidence.construct(bytes(evidence.REPORT_DATA_BYTES), datetime.now(UTC))
    changed = (replace(given, quote=bytes(flipped)), replace(given, root=other.root))
    return dict(zip(CONTROLS, changed, strict=True))


def report_data(key_digest: bytes) -> bytes:
    """Return the 64 bytes that bind a quote to a TLS key: its SHA-256, then zeros."""
    return key_digest.ljust(evidence.REPORT_DATA_BYTES, b"\0")


def bound(given: Evidence, certificate: bytes) -> bool:
    """Return whether a quote names the public key of the certificate that the peer showed."""
    from collectors.secure_inference import issuing

    return given.report_data[:DIGEST_BYTES] == issuing.key_digest(certificate)


def measure(given: Evidence, rounds: int) -> str:
    """Time the verification ``rounds`` times, and return the command's output.

    The negative controls run once, untimed. Raises SitegenError when the evidence itself is
    refused.
    """
    status, advisories = verify(given)  # also the warm-up
    about = {"quote": parse(given), "quote_bytes": len(given.quote), "status": status}
    root = "constructed" if given.root else "the verifier's own"
    lines: list[Line] = [timings.start("verify", **about, advisories=advisories, root=root)]
    lines += [Check(name, refused(each)) for name, each in controls(given).items()]
    for _ in range(rounds):
        for part, work in (("parse", parse), ("verify", verify)):
            begun = time.perf_counter()
            work(given)
            took = time.perf_counter() - begun
            lines.append(Value("attestation_time", {"part": part}, took))
    return timings.whole(lines)
