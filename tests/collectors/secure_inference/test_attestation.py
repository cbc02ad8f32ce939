"""Verification as it is timed: parts, controls, and the binding to a TLS key."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from pathlib import Path

import pytest

from collectors.secure_inference import channel, evidence, issuing, timings
from collectors.secure_inference.evidence import Evidence
from sitegen.errors import SitegenError

pytest.importorskip("dcap_qvl")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("endpoint")
    issuing.write(place)
    return place


@pytest.fixture(scope="module")
def made(folder: Path) -> Evidence:
    digest = issuing.key_digest((folder / channel.CERTIFICATE).read_bytes())
    return evidence.construct(evidence.report_data(digest), datetime.now(UTC))


def test_parsing_and_verifying_are_timed_and_the_controls_are_refused(made: Evidence) -> None:
    printed = timings.whole(evidence.measure_verification(made, 7))
    report = timings.read(printed.encode())
    parts = [value.params["part"] for value in report.values]
    assert sorted(set(parts)) == ["parse", "verify"]
    assert parts.count("verify") == parts.count("parse") == 7
    names = {check.name for check in report.checks if check.refused}
    assert names == {"flipped-report-data-bit", "wrong-root"}
    assert dict(report.about)["status"] == "UpToDate"
    assert dict(report.about)["root"] == "constructed"
    # Nothing of the quote is printed.
    assert made.report_data[:8].hex() not in printed
    assert "BEGIN" not in printed


def test_refused_evidence_is_never_timed(made: Evidence) -> None:
    with pytest.raises(SitegenError, match="the quote is refused"):
        list(evidence.measure_verification(dataclasses.replace(made, at=made.at + 10**8), 1))


def test_a_control_differs_from_the_evidence_in_one_thing(made: Evidence) -> None:
    flipped = evidence.controls(made)["flipped-report-data-bit"]
    assert flipped.root == made.root
    differing = [a ^ b for a, b in zip(flipped.quote, made.quote, strict=True) if a != b]
    assert differing == [1]
    assert flipped.report_data != made.report_data
    other = evidence.controls(made)["wrong-root"]
    assert other.quote == made.quote
    assert other.root != made.root


def test_a_quote_is_bound_to_one_key(made: Evidence, folder: Path) -> None:
    own = (folder / channel.CERTIFICATE).read_bytes()
    assert evidence.bound(made, own)
    assert not evidence.bound(made, (folder / channel.AUTHORITY).read_bytes())
    again = evidence.construct(bytes(64), datetime.now(UTC))
    assert not evidence.bound(again, own)


def test_the_private_key_is_for_its_owner_only(folder: Path) -> None:
    assert (folder / channel.KEY).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("quote", [b"", b"\x04\x00", bytes(5000), b"\xff" * 5000])
def test_what_is_no_quote_is_told(made: Evidence, quote: bytes) -> None:
    other = dataclasses.replace(made, quote=quote)
    assert evidence.refused(other)
    with pytest.raises(SitegenError, match="cannot be parsed"):
        evidence.parse(other)
