"""How long a boot took, as systemd and the kernel's log tell it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from collectors.tee_microcosts import boot
from collectors.tee_microcosts.boot import Source
from sitegen.collect import Host, RawOutput, Reading
from sitegen.errors import SitegenError
from tests.collectors import damage

RAW = Path(__file__).parents[2] / "raw" / "tee-microcosts"
FILES = {"systemd": "systemd.out", "kernel-log": "dmesg.out"}


def parsed(kind: str, data: bytes) -> dict[str, float | None]:
    reading = boot.parse(boot.step(Source(kind, ("x",))), RawOutput(stdout=data))
    return {dict(m.params)["until"]: m.value for m in reading.measurements}


def read(kind: str) -> bytes:
    return (RAW / FILES[kind]).read_bytes()


def test_an_initial_ram_disk_is_user_space_already() -> None:
    times = parsed("systemd", read("systemd"))
    assert times["user-space"] == pytest.approx(0.731002)
    assert times["finished"] == pytest.approx(6.480213)
    assert times["kernel"] == pytest.approx(1.81432)
    bare = re.sub(rb"InitRD\w+=\d+", b"InitRDTimestampMonotonic=0", read("systemd"))
    assert parsed("systemd", bare)["user-space"] == pytest.approx(2.094551)


def test_the_kernel_says_when_it_ran_its_first_program() -> None:
    assert parsed("kernel-log", read("kernel-log")) == {"user-space": pytest.approx(0.598922)}


@pytest.mark.parametrize(
    ("kind", "old", "new"),
    [
        ("systemd", rb"Userspace\w+=\d+", b""),
        ("systemd", rb"Finish(\w+)=\d+", rb"Finish\1=2"),
        ("kernel-log", rb" as init process", b""),
        ("kernel-log", rb"(?s)(.*)", rb"\1\1"),
    ],
)
def test_times_that_are_missing_doubled_or_out_of_order_are_an_error(
    kind: str, old: bytes, new: bytes
) -> None:
    with pytest.raises(SitegenError):
        parsed(kind, re.sub(old, new, read(kind), count=1))


@pytest.mark.parametrize("kind", FILES)
def test_damaged_output_raises_only_expected_errors(kind: str) -> None:
    def one(data: bytes) -> tuple[Reading, ...]:
        return (boot.parse(boot.step(Source(kind, ("x",))), RawOutput(stdout=data)),)

    damage.bear(lambda _: True, one, read(kind))


def test_a_container_has_no_boot_of_its_own(tmp_path: Path) -> None:
    (tmp_path / ".dockerenv").touch()
    assert boot.find(Host(tmp_path)) == "boot: a container has none of its own"
