"""Attestation evidence: asked of the kernel, read from a folder or constructed, and verified.

Constructed evidence has the form of a TDX quote, version 4, with its collateral (Intel's TDX
DCAP quoting library API, appendix A.3; the PCK certificate profile; API version 4 of the
provisioning service). A verifier parses it and checks every signature as it would a real one.
It proves nothing: it is there to time the verification.

The verifier is dcap-qvl: certificate chains, revocation lists, TCB information and the
signatures of the quote, offline and at a given time. What binds a quote to a TLS connection
is here: the first 32 bytes of its report data are the SHA-256 of the endpoint's public key.

The kernel is asked through configfs-tsm (Linux 6.7 and later): 64 bytes written to ``inblob`` of
a report's directory come back signed in ``outblob``; ``generation`` counts the writes
(Documentation/ABI/testing/configfs-tsm-report).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import secrets
import struct
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from collectors.secure_inference import timings
from collectors.secure_inference.timings import Check, Line, Value
from sitegen.collect import timestamp
from sitegen.errors import SitegenError

if TYPE_CHECKING:
    from collectors.secure_inference.issuing import Party

QUOTE, COLLATERAL, TIME, ROOT = "quote.bin", "collateral.json", "time.txt", "root.der"
LABEL = "constructed evidence under a test root: times verification, proves nothing"
#: Where report_data lies in a TDX quote of version 4: header 48 B, then 520 B of the TD report.
REPORT_DATA_AT, REPORT_DATA_BYTES = 48 + 520, 64
DIGEST_BYTES = 32
CONTROLS = ("flipped-report-data-bit", "wrong-root")

Act = Callable[[Path], None]
REPORTS = "sys/kernel/config/tsm/report"
_ATTEMPTS = 5
_MOST_BYTES = 4 << 20
#: What of certificate and collateral is the same each time: FMSPC 00ff00000000, PCE SVN 11, and
#: the numbers below.
_FIXED = Path(__file__).with_name("constructed.json")
_ECDSA_P256, _TDX = 2, 0x81
_QE_CERTIFICATION, _PCK_CHAIN = 6, 5
#: Intel's extension of a PCK certificate, which says for which platform and TCB it is.
_SGX = "1.2.840.113741.1.13.1"
_SVN, _QE_SVN, _MODULE_SVN = 3, 4, 3
_QE_PRODUCT, _QE_SIGNER = 2, hashlib.sha256(b"sitegen constructed quoting enclave").digest()
_QE_ATTRIBUTES = bytes.fromhex("11000000000000000000000000000000")
#: Intel's vendor id in the header; verifiers refuse a quoting enclave of another vendor.
_QE_VENDOR = bytes.fromhex("939a7233f79c4ca9940a0db3957f0607")


class Evidence(Struct, frozen=True):
    """A quote with what is needed to verify it offline.

    ``at`` is the time, in seconds since 1970, that the collateral is judged at. ``root`` is the
    DER of the root that it is under; empty means the root that the verifier itself knows.
    """

    quote: bytes
    collateral: str
    at: int
    root: bytes = b""

    @property
    def report_data(self) -> bytes:
        """Return the 64 bytes that the quote carries for its user; TDX quotes, version 4."""
        return self.quote[REPORT_DATA_AT : REPORT_DATA_AT + REPORT_DATA_BYTES]

    def write(self, folder: Path) -> None:
        """Write the files that `read` reads."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / QUOTE).write_bytes(self.quote)
        (folder / COLLATERAL).write_text(self.collateral, "utf-8")
        (folder / TIME).write_text(f"{self.at}\n", "utf-8")
        if self.root:
            (folder / ROOT).write_bytes(self.root)


def read(folder: Path) -> Evidence:
    """Read quote.bin, collateral.json, time.txt and, where it is, root.der; raises SitegenError."""
    quote = _bytes(folder / QUOTE)
    if len(quote) < REPORT_DATA_AT + REPORT_DATA_BYTES:
        raise SitegenError(f"a quote of {len(quote)} bytes is too short", where=QUOTE)
    time = _bytes(folder / TIME)
    if not re.fullmatch(rb"\s*[0-9]{1,11}\s*", time):
        raise SitegenError("is not one whole number, seconds since 1970", where=TIME)
    try:
        collateral = _bytes(folder / COLLATERAL).decode("utf-8")
    except UnicodeDecodeError as error:
        raise SitegenError("is not UTF-8", where=COLLATERAL) from error
    root = _bytes(folder / ROOT) if (folder / ROOT).exists() else b""
    return Evidence(quote, collateral, int(time), root)


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except OSError as error:
        message = f"cannot be read: {error.strerror}"
        fix = f"the evidence folder holds {QUOTE}, {COLLATERAL} and {TIME}"
        raise SitegenError(message, where=path.name, fix=fix) from error
    if len(data) > _MOST_BYTES:
        raise SitegenError(f"is larger than {_MOST_BYTES} bytes", where=path.name)
    return data


def construct(report_data: bytes, now: datetime) -> Evidence:
    """Return constructed evidence for 64 bytes of report data, valid for 30 days around now.

    Every key in it is new and is forgotten when this returns.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    from collectors.secure_inference import issuing

    root_ca, pck_ca, platform, signer, attester = (
        issuing.party(f"sitegen test {name}, proves nothing")
        for name in ("Root CA", "PCK CA", "PCK", "TCB Signing", "Attestation")
    )
    valid = (now - timedelta(days=1), now + timedelta(days=30))
    fixed = json.loads(_FIXED.read_text("utf-8"))
    extension = bytes.fromhex(fixed.pop("sgx_extension"))
    sgx = x509.UnrecognizedExtension(x509.ObjectIdentifier(_SGX), extension)
    root = issuing.certificate(root_ca, root_ca, valid, authority=True)
    ca = issuing.certificate(pck_ca, root_ca, valid, authority=True)
    chain = issuing.pem(issuing.certificate(platform, pck_ca, valid, sgx), ca, root)
    signed_by = issuing.pem(issuing.certificate(signer, root_ca, valid), root)
    current = (valid[0], now + timedelta(days=29))
    issued, until = map(timestamp, current)
    collateral = {
        "pck_crl_issuer_chain": issuing.pem(ca, root),
        "root_ca_crl": issuing.revoked(root_ca, current).hex(),
        "pck_crl": issuing.revoked(pck_ca, current).hex(),
    }
    for name, document in fixed.items():  # tcb_info and qe_identity
        document |= {"issueDate": issued, "nextUpdate": until}
        document["tcbLevels"][0]["tcbDate"] = issued
        text = json.dumps(document, separators=(",", ":"))
        signature = signer.sign(text.encode()).hex()
        collateral |= {name: text, f"{name}_signature": signature}
        collateral[f"{name}_issuer_chain"] = signed_by
    quote = _quote(report_data, attester, platform, chain)
    at, der = int(now.timestamp()), root.public_bytes(Encoding.DER)
    return Evidence(quote, json.dumps(collateral), at, der)


def _quote(report_data: bytes, attester: Party, platform: Party, chain: str) -> bytes:
    header = struct.pack("<HHIHH", 4, _ECDSA_P256, _TDX, 0, 0) + _QE_VENDOR + bytes(20)
    zero, measured = bytes(48), hashlib.sha384(LABEL.encode()).digest()
    body = bytes([_MODULE_SVN, 0, _SVN]) + bytes(13)
    body += measured + zero + bytes(8)  # MRSEAM, its signer, its attributes
    body += bytes.fromhex("0000001000000000e702060000000000")  # TD attributes, XFAM
    body += measured + zero * 7 + report_data  # MRTD, three owners, four RTMRs
    auth_data = b"sitegen constructed evidence    "
    enclave = bytes([_SVN] * 16) + bytes(4 + 28) + _QE_ATTRIBUTES
    enclave += hashlib.sha256(auth_data).digest() + bytes(32) + _QE_SIGNER + bytes(96)
    enclave += struct.pack("<HH", _QE_PRODUCT, _QE_SVN) + bytes(60)
    # The quoting enclave vouches for the attestation key in its own report data.
    enclave += hashlib.sha256(attester.point + auth_data).digest() + bytes(32)
    certified = enclave + platform.sign(enclave) + struct.pack("<H", len(auth_data)) + auth_data
    certified += struct.pack("<HI", _PCK_CHAIN, len(chain)) + chain.encode()
    signed = attester.sign(header + body) + attester.point
    signed += struct.pack("<HI", _QE_CERTIFICATION, len(certified)) + certified
    return header + body + struct.pack("<I", len(signed)) + signed


def verify(evidence: Evidence) -> tuple[str, int]:
    """Return the TCB status of evidence whose signatures are right, and its number of advisories.

    Raises SitegenError with the verifier's reason when it is refused.
    """
    import dcap_qvl

    try:
        collateral = dcap_qvl.QuoteCollateralV3.from_json(evidence.collateral)
        quote, root, at = evidence.quote, evidence.root, evidence.at
        if root:
            report = dcap_qvl.verify_with_root_ca(quote, collateral, root, at)
        else:
            report = dcap_qvl.verify(quote, collateral, at)
    except (ValueError, OverflowError) as error:
        message = f"the quote is refused: {str(error)[:200]}"
        fix = "give a quote with the collateral, and the time, that it was valid at"
        raise SitegenError(message, where="attestation", fix=fix) from error
    return report.status, len(report.advisory_ids)


def parse(evidence: Evidence) -> str:
    """Parse a quote without verifying it and return its kind; raises SitegenError."""
    import dcap_qvl

    try:
        return str(dcap_qvl.parse_quote(evidence.quote).quote_type())
    except ValueError as error:
        message = f"the quote cannot be parsed: {str(error)[:200]}"
        raise SitegenError(message, where="attestation") from error


def refused(evidence: Evidence) -> bool:
    """Return whether the verifier refuses evidence."""
    with contextlib.suppress(SitegenError):
        verify(evidence)
        return False
    return True


def controls(evidence: Evidence) -> dict[str, Evidence]:
    """Return what every verifier must refuse, by name: one bit flipped, and another root."""
    flipped = bytearray(evidence.quote)
    flipped[REPORT_DATA_AT] ^= 1
    other = construct(bytes(REPORT_DATA_BYTES), datetime.now(UTC))
    changed = (replace(evidence, quote=bytes(flipped)), replace(evidence, root=other.root))
    return dict(zip(CONTROLS, changed, strict=True))


def report_data(key_digest: bytes) -> bytes:
    """Return the 64 bytes that bind a quote to a TLS key: its SHA-256, then zeros."""
    return key_digest.ljust(REPORT_DATA_BYTES, b"\0")


def bound(evidence: Evidence, certificate: bytes) -> bool:
    """Return whether a quote names the public key of the certificate that the peer showed."""
    from collectors.secure_inference import issuing

    return evidence.report_data[:DIGEST_BYTES] == issuing.key_digest(certificate)


def measure_verification(evidence: Evidence, rounds: int) -> Iterator[Line]:
    """Time the verification ``rounds`` times, and yield the lines of the command's output.

    The negative controls run once, untimed. Raises SitegenError when the evidence itself is
    refused.
    """
    status, advisories = verify(evidence)  # also the warm-up
    about = {"quote": parse(evidence), "quote_bytes": len(evidence.quote), "status": status}
    root = "constructed" if evidence.root else "the verifier's own"
    yield timings.start("verify", **about, advisories=advisories, root=root)
    for name, control in controls(evidence).items():
        yield Check(name, refused(control))
    for _ in range(rounds):
        for part, work in (("parse", parse), ("verify", verify)):
            begun = time.perf_counter()
            work(evidence)
            yield Value("attestation_time", {"part": part}, time.perf_counter() - begun)


class Quote(NamedTuple):
    """A report of the machine's own TEE, and how long it took."""

    provider: str  # tdx_guest, sev_guest or arm_cca_guest
    data: bytes
    duration_s: float


def available(root: Path) -> bool:
    """Return whether the kernel below ``root`` offers reports."""
    return (root / REPORTS).is_dir()


def take(root: Path, report_data: bytes, *, make: Act = os.mkdir, remove: Act = os.rmdir) -> Quote:
    """Return a quote over 64 bytes.

    ``make`` and ``remove`` are what the kernel does with a report's directory. Raises
    SitegenError when there is no TEE, no right, no quote service on the host, or the report was
    written to by another process each time.
    """
    if not available(root):
        raise SitegenError("there is no /sys/kernel/config/tsm here: no TEE", where="quote")
    for _ in range(_ATTEMPTS):
        folder = root / REPORTS / f"sitegen-{secrets.token_hex(8)}"
        try:
            make(folder)
            try:
                quote = _take(folder, report_data)
            finally:
                # Its files are the kernel's: they go with the directory.
                remove(folder)
        except OSError as error:
            message = f"the machine gives no quote: {error.strerror}"
            fix = "run as root, and see that the host offers a quote service"
            raise SitegenError(message, where="quote", fix=fix) from error
        if quote is not None:
            return quote
    raise SitegenError("every report was written to by another process", where="quote")


def _take(folder: Path, report_data: bytes) -> Quote | None:
    """Return the quote, or None when somebody else wrote to the report too."""
    before = _number(folder / "generation")
    begun = time.perf_counter()
    # One write: the kernel takes each as a whole blob.
    with (folder / "inblob").open("wb", buffering=0) as blob:
        blob.write(report_data)
    data = (folder / "outblob").read_bytes()
    duration = time.perf_counter() - begun
    if _number(folder / "generation") != before + 1:
        return None
    if not data:
        raise SitegenError("the machine gave an empty quote", where="quote")
    return Quote((folder / "provider").read_text("ascii", "replace").strip(), data, duration)


def _number(path: Path) -> int:
    text = path.read_text("ascii", "replace").strip()
    if not text.isdecimal() or len(text) > 20:  # noqa: PLR2004 - a 64-bit count
        raise SitegenError(f"{text[:40]!r} is not a count", where=path.name)
    return int(text)


def measure_quotes(taken: Callable[[], Quote], report_data: bytes, rounds: int) -> Iterator[Line]:
    """Take ``rounds`` quotes over ``report_data`` and yield the lines of the command's output.

    The quotes themselves are not kept: they identify the machine. Each must carry the report
    data that it was asked for; SitegenError otherwise.
    """
    for index in range(rounds):
        quote = taken()
        if report_data not in quote.data:
            raise SitegenError("the quote does not carry the report data", where="quote")
        if not index:
            about = {"provider": quote.provider, "quote_bytes": len(quote.data)}
            yield timings.start("quote", **about)
        yield Value("attestation_time", {"part": "quote"}, quote.duration_s)
