from __future__ import annotations

import hashlib
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sitegen.errors import SitegenError
from sitegen.model import (
    RESERVED,
    RUN_ID,
    STATISTICS,
    Fact,
    Fingerprint,
    Measurement,
    Provenance,
    Run,
    check_benchmark,
    check_label,
    check_run_id,
    check_time,
    params,
    run_id,
)

#: The form is a promise to every address that was ever published.
KNOWN = run_id("2025-01-31T12:34:56Z", "fio", b"content")


def test_a_run_id_never_changes() -> None:
    alphabet = string.ascii_lowercase + "234567"
    bits = f"{int.from_bytes(hashlib.sha256(b'content').digest()[:5], 'big'):040b}"
    suffix = "".join(alphabet[int(bits[i : i + 5], 2)] for i in range(0, 40, 5))
    assert f"20250131t123456z-fio-{suffix}" == KNOWN


@pytest.mark.parametrize(
    ("started_at", "stamp"),
    [
        ("2025", "20250101t000000z"),
        ("2024-09", "20240901t000000z"),
        ("2024-09-30", "20240930t000000z"),
        ("2024-09-30T01:02:03Z", "20240930t010203z"),
        ("2024-09-30T01:02:03.456Z", "20240930t010203z"),
    ],
)
def test_a_date_as_precise_as_known_gives_a_whole_run_id(started_at: str, stamp: str) -> None:
    found = run_id(started_at, "7z", b"")
    assert found.startswith(f"{stamp}-7z-")
    assert check_run_id(found) == found


@given(st.binary(), st.binary())
def test_other_content_has_another_run_id(a: bytes, b: bytes) -> None:
    assert (run_id("2025", "fio", a) == run_id("2025", "fio", b)) == (a == b)


@given(st.text())
def test_what_is_accepted_as_a_label_is_safe_as_a_file_name_and_an_address(text: str) -> None:
    try:
        label = check_label(text)
    except SitegenError:
        return
    assert set(label) <= set(string.ascii_lowercase + string.digits + "._-")
    assert label[0] not in ".-"
    assert 1 <= len(label) <= 64
    assert ".." not in label


@pytest.mark.parametrize(
    "text",
    ["", ".", "..", "a/b", "../x", "-x", "a..b", "A", "a b", "a\n", "<b>", "x" * 65, "é", "x."],
)
def test_a_label_that_could_climb_or_hide_is_refused(text: str) -> None:
    with pytest.raises(SitegenError):
        check_label(text)


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_a_benchmark_cannot_take_a_page_of_the_site(name: str) -> None:
    with pytest.raises(SitegenError, match="the site itself"):
        check_benchmark(name)


@given(st.text(string.ascii_lowercase + string.digits + "-._", min_size=1, max_size=40))
def test_every_name_that_a_benchmark_may_take_makes_a_run_id(name: str) -> None:
    try:
        check_benchmark(name)
    except SitegenError:
        return
    match = RUN_ID.fullmatch(run_id("2025", name, b""))
    assert match is not None
    assert match[2] == name


@pytest.mark.parametrize(
    "text", ["2025", "2024-09", "2024-02-29", "2025-01-31T12:00:00Z", "2025-01-31T12:00:00.5Z"]
)
def test_a_time_may_be_as_precise_as_it_is_known(text: str) -> None:
    assert check_time(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "0000",
        "2025-13",
        "2025-02-30",
        "2025-1",
        "20250131",
        "2025-01-31T25:00:00Z",
        "2025-01-31T12:00:00",
        "2025-01-31T12:00:00+02:00",
        "2025-01-31 12:00:00Z",
    ],
)
def test_what_is_not_a_utc_time_is_refused(text: str) -> None:
    with pytest.raises(SitegenError, match="not a time"):
        check_time(text)


@pytest.mark.parametrize(
    "text", ["", "x", KNOWN.upper(), f"{KNOWN}/..", f" {KNOWN}", KNOWN[:-1], f"{KNOWN[:-1]}1"]
)
def test_what_is_not_a_run_id_is_refused(text: str) -> None:
    with pytest.raises(SitegenError):
        check_run_id(text)


def test_params_are_sorted_texts_without_what_is_absent() -> None:
    assert params(threads=8, operation="total", size=None) == (
        ("operation", "total"),
        ("threads", "8"),
    )


def test_a_fact_is_found_by_name_and_absent_ones_are_none() -> None:
    seen = Fingerprint((Fact("cpu", "X", "/proc/cpuinfo"), Fact("gpu", None, "nvidia-smi")))
    assert (seen.get("cpu"), seen.get("gpu"), seen.get("disk")) == ("X", None, None)


def test_a_run_cannot_be_changed() -> None:
    row = Measurement("w", "m.x", "value", "s", 1.0)
    run = Run(KNOWN, "fio", "here", Provenance.COLLECTED, "2025", None, (row,))
    with pytest.raises(AttributeError):
        run.note = "other"  # type: ignore[misc]
    with pytest.raises(AttributeError):
        run.measurements[0].value = 2.0  # type: ignore[misc]


def test_statistics_are_named_in_one_way() -> None:
    percentiles = {name for name in STATISTICS if name.startswith("p")}
    assert {"p50", "p99", "p99.9"} <= percentiles
    assert all(0 < float(name[1:]) < 100 for name in percentiles)


def test_an_error_is_one_line_that_says_what_where_and_what_to_do() -> None:
    error = SitegenError("no\nsuch thing", where="here", fix="look there")
    assert str(error) == "here: no such thing; look there"
    assert str(SitegenError("alone")) == "alone"
