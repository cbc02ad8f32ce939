"""Hashing the weights: the published digests, and the output."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from collectors.secure_inference import timings
from collectors.secure_inference.__main__ import ALGORITHMS, digest, measure_hash
from sitegen.errors import SitegenError

#: Of the three letters "abc": FIPS 180-4 and GB/T 32905.
ABC = {
    "sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    "sm3": "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0",
}


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_digests_are_the_published_ones(algorithm: str, tmp_path: Path) -> None:
    if algorithm not in hashlib.algorithms_available:
        pytest.skip(f"this OpenSSL has no {algorithm}")
    (tmp_path / "abc").write_bytes(b"abc")
    assert digest(tmp_path / "abc", algorithm) == ABC[algorithm]


def test_speed_is_bytes_over_time(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    path.write_bytes(bytes(3_000_000))
    report = timings.read(timings.whole(measure_hash(path, 2)).encode())
    assert {each.params["size"] for each in report.values} == {"3000000"}
    times, speeds = (
        [each.value for each in report.values if each.metric == metric]
        for metric in ("measure_time", "hash_speed")
    )
    assert len(speeds) >= 2
    for took, speed in zip(times, speeds, strict=True):
        assert took * speed == pytest.approx(3_000_000)
    assert dict(report.about)["bytes"] == "3000000"


def test_nothing_to_hash_is_told(tmp_path: Path) -> None:
    with pytest.raises(SitegenError, match="cannot be read"):
        list(measure_hash(tmp_path / "absent", 1))
    (tmp_path / "empty").touch()
    with pytest.raises(SitegenError, match="empty"):
        list(measure_hash(tmp_path / "empty", 1))
