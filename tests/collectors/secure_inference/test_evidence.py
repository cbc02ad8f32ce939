"""Evidence: a verifier takes what is constructed for well-formed, and refuses each change to it.

The kernel is asked on a constructed tree whose attributes answer as its own do.
"""

from __future__ import annotations

import json
import os
import shutil
import struct
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from msgspec import structs

from collectors.secure_inference import channel, evidence, issuing, timings
from collectors.secure_inference.evidence import Evidence
from sitegen.errors import SitegenError

pytest.importorskip("dcap_qvl")

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
DATA = bytes(range(64))
SAMPLE = Path(__file__).parents[4] / "shared" / "samples" / "tee" / "tdx"


@pytest.fixture(scope="module")
def constructed() -> Evidence:
    return evidence.construct(DATA, NOW)


def test_it_verifies_and_carries_the_report_data(constructed: Evidence) -> None:
    assert evidence.verify(constructed) == ("UpToDate", 0)
    assert constructed.report_data == DATA
    assert evidence.parse(constructed) == "TDX"


def test_every_certificate_says_that_it_proves_nothing(constructed: Evidence) -> None:
    start = constructed.quote.index(b"-----BEGIN CERTIFICATE-----")
    chain = x509.load_pem_x509_certificates(constructed.quote[start:])
    collateral = json.loads(constructed.collateral)
    for name in ("pck_crl_issuer_chain", "tcb_info_issuer_chain", "qe_identity_issuer_chain"):
        chain += x509.load_pem_x509_certificates(collateral[name].encode())
    assert len(chain) == 9
    for each in chain:
        assert each.subject.rfc4514_string().endswith("proves nothing")


def test_it_never_verifies_under_the_root_that_the_verifier_knows(constructed: Evidence) -> None:
    assert evidence.refused(structs.replace(constructed, root=b""))


@pytest.mark.parametrize("at", [NOW - timedelta(days=2), NOW + timedelta(days=31), 1 << 80])
def test_it_is_valid_for_a_month_only(constructed: Evidence, at: datetime | int) -> None:
    moved = at if isinstance(at, int) else int(at.timestamp())
    with pytest.raises(SitegenError, match="the quote is refused"):
        evidence.verify(structs.replace(constructed, at=moved))


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
def test_a_bit_flipped_in_any_part_is_refused(constructed: Evidence, part: str) -> None:
    quote = bytearray(constructed.quote)
    quote[places(constructed.quote)[part]] ^= 1
    assert evidence.refused(structs.replace(constructed, quote=bytes(quote)))


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
    constructed: Evidence, field: str, old: str, new: str | None
) -> None:
    collateral = json.loads(constructed.collateral)
    text = collateral[field]
    assert old in text
    other = json.loads(evidence.construct(DATA, NOW).collateral)[field]
    collateral[field] = other if new is None else text.replace(old, new)
    assert evidence.refused(structs.replace(constructed, collateral=json.dumps(collateral)))


def test_what_is_written_is_read(constructed: Evidence, tmp_path: Path) -> None:
    constructed.write(tmp_path / "new")
    assert evidence.read(tmp_path / "new") == constructed
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
    constructed: Evidence, tmp_path: Path, name: str, data: bytes | None, message: str
) -> None:
    constructed.write(tmp_path)
    if data is None:
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_bytes(data)
    with pytest.raises(SitegenError, match=message):
        evidence.read(tmp_path)


@pytest.mark.parametrize(
    "collateral", ["", "{}", "[]", "null", '{"tcb_info": 5}', "[" * 100_000, "{" * 100_000]
)
def test_collateral_that_is_none_is_told(constructed: Evidence, collateral: str) -> None:
    with pytest.raises(SitegenError, match="the quote is refused"):
        evidence.verify(structs.replace(constructed, collateral=collateral))


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


# As it is timed: parts, controls, and the binding to a TLS key.


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("endpoint")
    channel.issue(place)
    return place


@pytest.fixture(scope="module")
def bound(folder: Path) -> Evidence:
    digest = issuing.key_digest((folder / channel.CERTIFICATE).read_bytes())
    return evidence.construct(evidence.report_data(digest), datetime.now(UTC))


def test_parsing_and_verifying_are_timed_and_the_controls_are_refused(bound: Evidence) -> None:
    printed = timings.whole(evidence.measure_verification(bound, 7))
    report = timings.read(printed.encode())
    parts = [value.params["part"] for value in report.values]
    assert sorted(set(parts)) == ["parse", "verify"]
    assert parts.count("verify") == parts.count("parse") == 7
    names = {check.name for check in report.checks if check.refused}
    assert names == {"flipped-report-data-bit", "wrong-root"}
    assert dict(report.about)["status"] == "UpToDate"
    assert dict(report.about)["root"] == "constructed"
    # Nothing of the quote is printed.
    assert bound.report_data[:8].hex() not in printed
    assert "BEGIN" not in printed


def test_refused_evidence_is_never_timed(bound: Evidence) -> None:
    with pytest.raises(SitegenError, match="the quote is refused"):
        list(evidence.measure_verification(structs.replace(bound, at=bound.at + 10**8), 1))


def test_a_control_differs_from_the_evidence_in_one_thing(bound: Evidence) -> None:
    flipped = evidence.controls(bound)["flipped-report-data-bit"]
    assert flipped.root == bound.root
    differing = [a ^ b for a, b in zip(flipped.quote, bound.quote, strict=True) if a != b]
    assert differing == [1]
    assert flipped.report_data != bound.report_data
    other = evidence.controls(bound)["wrong-root"]
    assert other.quote == bound.quote
    assert other.root != bound.root


def test_a_quote_is_bound_to_one_key(bound: Evidence, folder: Path) -> None:
    own = (folder / channel.CERTIFICATE).read_bytes()
    assert evidence.bound(bound, own)
    assert not evidence.bound(bound, (folder / channel.AUTHORITY).read_bytes())
    again = evidence.construct(bytes(64), datetime.now(UTC))
    assert not evidence.bound(again, own)


def test_the_private_key_is_for_its_owner_only(folder: Path) -> None:
    assert (folder / channel.KEY).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("quote", [b"", b"\x04\x00", bytes(5000), b"\xff" * 5000])
def test_what_is_no_quote_is_told(bound: Evidence, quote: bytes) -> None:
    other = structs.replace(bound, quote=quote)
    assert evidence.refused(other)
    with pytest.raises(SitegenError, match="cannot be parsed"):
        evidence.parse(other)


class Kernel:
    """The part of configfs-tsm that is not ours: reports in a tree of named pipes.

    Reading and writing block as they do on the real attributes, until the report is made.
    """

    def __init__(self, root: Path, *, writers: int = 1, answer: bytes = b"quote:%b") -> None:
        self.root = root
        self.writers = writers
        self.answer = answer
        self.blobs: list[bytes] = []
        self.reports = root / evidence.REPORTS
        self.reports.mkdir(parents=True)
        self.threads: list[threading.Thread] = []

    def take(self) -> evidence.Quote:
        return evidence.take(self.root, DATA, make=self.make, remove=self.remove)

    def make(self, folder: Path) -> None:
        os.mkdir(folder)  # noqa: PTH102 - what it stands for
        (folder / "generation").write_text("0\n")
        (folder / "provider").write_text("tdx_guest\n")
        for name in ("inblob", "outblob"):
            os.mkfifo(folder / name)
        self.threads.append(threading.Thread(target=self._serve, args=(folder,), daemon=True))
        self.threads[-1].start()

    def _serve(self, folder: Path) -> None:
        blob = (folder / "inblob").read_bytes()
        self.blobs.append(blob)
        (folder / "generation").write_text(f"{self.writers}\n")
        (folder / "outblob").write_bytes(self.answer.replace(b"%b", blob))

    def remove(self, folder: Path) -> None:
        self.threads[-1].join(10)
        assert not self.threads[-1].is_alive()
        shutil.rmtree(folder)


def test_a_quote_is_taken_and_its_report_removed(tmp_path: Path) -> None:
    kernel = Kernel(tmp_path)
    quote = kernel.take()
    assert quote.provider == "tdx_guest"
    assert quote.data == b"quote:" + DATA
    assert quote.duration_s > 0
    assert kernel.blobs == [DATA]
    assert list(kernel.reports.iterdir()) == []


@pytest.mark.parametrize(
    ("writers", "answer", "tries", "message"),
    [(2, b"quote", 5, "written to by another process"), (1, b"", 1, "empty quote")],
)
def test_a_report_of_others_and_an_empty_quote_are_none(
    tmp_path: Path, writers: int, answer: bytes, tries: int, message: str
) -> None:
    kernel = Kernel(tmp_path, writers=writers, answer=answer)
    with pytest.raises(SitegenError, match=message):
        kernel.take()
    assert len(kernel.blobs) == tries
    assert list(kernel.reports.iterdir()) == []


def test_a_machine_without_a_tee_has_none(tmp_path: Path) -> None:
    assert not evidence.available(tmp_path)
    with pytest.raises(SitegenError, match="no TEE"):
        evidence.take(tmp_path, DATA)


def test_a_report_that_cannot_be_made_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    # An ordinary folder has no attributes: what the kernel would refuse fails in the same way.
    reports = tmp_path / evidence.REPORTS
    reports.mkdir(parents=True)
    assert evidence.available(tmp_path)
    with pytest.raises(SitegenError, match="gives no quote: No such file"):
        evidence.take(tmp_path, DATA)
    assert list(reports.iterdir()) == []


def test_quotes_are_timed_and_not_kept(tmp_path: Path) -> None:
    kernel = Kernel(tmp_path)
    printed = timings.whole(evidence.measure_quotes(kernel.take, DATA, 3))
    report = timings.read(printed.encode())
    assert [(each.metric, each.params) for each in report.values] == [
        ("attestation_time", {"part": "quote"})
    ] * 3
    assert dict(report.about) == {"provider": "tdx_guest", "quote_bytes": "70"}
    assert DATA.hex() not in printed
    assert len(kernel.blobs) == 3  # each quote has a report of its own
    kernel.answer = b"a quote over nothing"
    with pytest.raises(SitegenError, match="does not carry the report data"):
        list(evidence.measure_quotes(kernel.take, DATA, 1))
