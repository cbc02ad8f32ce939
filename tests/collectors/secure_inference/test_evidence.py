"""Constructed evidence: a verifier takes it for well-formed, and refuses each change to it."""

from __future__ import annotations

import dataclasses
import json
import struct
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from collectors.secure_inference import evidence
from collectors.secure_inference.evidence import Evidence
from sitegen.errors import SitegenError

pytest.importorskip("dcap_qvl")

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
DATA = bytes(range(64))
SAMPLE = Path(__file__).parents[4] / "shared" / "samples" / "tee" / "tdx"


@pytest.fixture(scope="module")
def made() -> Evidence:
    return evidence.construct(DATA, NOW)


def test_it_verifies_and_carries_the_report_data(made: Evidence) -> None:
    assert evidence.verify(made) == ("UpToDate", 0)
    assert made.report_data == DATA
    assert evidence.parse(made) == "TDX"


def test_every_certificate_says_that_it_proves_nothing(made: Evidence) -> None:
    start = made.quote.index(b"-----BEGIN CERTIFICATE-----")
    chain = x509.load_pem_x509_certificates(made.quote[start:])
    collateral = json.loads(made.collateral)
    for name in ("pck_crl_issuer_chain", "tcb_info_issuer_chain", "qe_identity_issuer_chain"):
        chain += x509.load_pem_x509_certificates(collateral[name].encode())
    assert len(chain) == 9
    for each in chain:
        assert each.subject.rfc4514_string().endswith("proves nothing")


def test_it_never_verifies_under_the_root_that_the_verifier_knows(made: Evidence) -> None:
    assert evidence.refused(dataclasses.replace(made, root=b""))


@pytest.mark.parametrize("at", [NOW - timedelta(days=2), NOW + timedelta(days=31), 1 << 80])
def test_it_is_valid_for_a_month_only(made: Evidence, at: datetime | int) -> None:
    moved = at if isinstance(at, int) else int(at.timestamp())
    with pytest.raises(SitegenError, match="the quote is refused"):
        evidence.verify(dataclasses.replace(made, at=moved))


def places(quote: bytes) -> dict[str, int]:
    """Return one byte of each part of a quote, by name."""
    [size] = struct.unpack_from("<I", quote, 632)
    assert 636 + size == len(quote)
    certified = 636 + 128 + 6
    return {
        "header": 12,
        "MRTD": 48 + 136,
        "report data": 48 + 583,
        "signature": 636 + 10,
        "attestation key": 636 + 64 + 10,
        "enclave report": certified + 100,
        "enclave report data": certified + 320,
        "enclave signature": certified + 384 + 10,
        "authentication data": certified + 384 + 64 + 2 + 5,
        "PCK certificate": certified + 384 + 64 + 2 + 32 + 6 + 200,
    }


@pytest.mark.parametrize("part", list(places(evidence.construct(DATA, NOW).quote)))
def test_a_bit_flipped_in_any_part_is_refused(made: Evidence, part: str) -> None:
    quote = bytearray(made.quote)
    quote[places(made.quote)[part]] ^= 1
    assert evidence.refused(dataclasses.replace(made, quote=bytes(quote)))


@pytest.mark.parametrize(
    ("field", "old", "new"),
    [
        ("tcb_info", "UpToDate", "Revoked "),
        ("qe_identity", '"isvprodid":2', '"isvprodid":3'),
        ("tcb_info_signature", "", None),
        ("pck_crl", "", None),
    ],
)
def test_changed_collateral_is_refused(
    made: Evidence, field: str, old: str, new: str | None
) -> None:
    collateral = json.loads(made.collateral)
    text = collateral[field]
    assert old in text
    other = json.loads(evidence.construct(DATA, NOW).collateral)[field]
    collateral[field] = other if new is None else text.replace(old, new)
    assert evidence.refused(dataclasses.replace(made, collateral=json.dumps(collateral)))


def test_what_is_written_is_read(made: Evidence, tmp_path: Path) -> None:
    made.write(tmp_path / "new")
    assert evidence.read(tmp_path / "new") == made
    (tmp_path / "new" / evidence.ROOT).unlink()
    assert evidence.read(tmp_path / "new").root == b""


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        (evidence.QUOTE, None, "cannot be read"),
        (evidence.QUOTE, b"\x04\x00", "too short"),
        (evidence.QUOTE, bytes((4 << 20) + 1), "larger than"),
        (evidence.COLLATERAL, b"\xff\xfe", "not UTF-8"),
        *(
            (evidence.TIME, time, "not one whole number")
            for time in (b"yesterday", b"-5", b"9" * 5000, "\u0663".encode())
        ),
    ],
)
def test_a_folder_that_holds_something_else_is_told(
    made: Evidence, tmp_path: Path, name: str, data: bytes | None, message: str
) -> None:
    made.write(tmp_path)
    if data is None:
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_bytes(data)
    with pytest.raises(SitegenError, match=message):
        evidence.read(tmp_path)


@pytest.mark.parametrize(
    "collateral", ["", "{}", "[]", "null", '{"tcb_info": 5}', "[" * 100_000, "{" * 100_000]
)
def test_collateral_that_is_none_is_told(made: Evidence, collateral: str) -> None:
    with pytest.raises(SitegenError, match="the quote is refused"):
        evidence.verify(dataclasses.replace(made, collateral=collateral))


@pytest.fixture
def real() -> Evidence:
    if not SAMPLE.is_dir():
        pytest.skip("no published quote beside this checkout")
    return Evidence(
        (SAMPLE / "tdx_quote").read_bytes(),
        (SAMPLE / "tdx_quote_collateral.json").read_text("utf-8"),
        1750332747,
    )


def test_a_published_quote_verifies_and_its_controls_do_not(real: Evidence) -> None:
    assert evidence.verify(real)[0] == "UpToDate"
    for each in evidence.controls(real).values():
        assert evidence.refused(each)
