from __future__ import annotations

import json
from pathlib import Path

import pytest

from collectors import hardware
from collectors.hardware import gpu
from sitegen.collect import Host, RawOutput, Request, Step, decode
from sitegen.errors import SitegenError
from sitegen.model import Measurement

GPU = {"name": "NVIDIA H200", "memory_bytes": 150_754_820_096}


def step(folder: Path = Path("/nowhere")) -> Step:
    return hardware.machine_step(Request("quick", 1, {}, 4, folder, folder / "cache", 1 << 40))


def rows(description: object) -> list[Measurement]:
    raw = RawOutput(stdout=json.dumps(description).encode())
    return list(hardware.parse_machine(step(), raw).measurements)


def host(root: Path, meminfo: str) -> Host:
    (root / "proc").mkdir()
    (root / "proc/meminfo").write_text(meminfo)
    return Host(root)


def test_what_is_read_is_what_is_recorded(tmp_path: Path) -> None:
    here = host(tmp_path, "MemTotal:       24684084 kB\nMemFree: 1 kB\n")
    gpus = decode.convert({"gpus": [GPU, GPU]}, gpu.Record)
    raw = hardware.read_machine(here, 270_553_174_016, gpus)
    rows = {m.metric: m for m in hardware.parse_machine(step(), raw).measurements}
    memory = rows["hardware.memory_capacity"]
    # Kernel's kB are KiB.
    assert (memory.value, memory.printed, memory.unit) == (24684084 * 1024, "24684084", "B")
    assert rows["hardware.cpus"].value == here.cpus()
    assert rows["hardware.disk_capacity"].value == 270_553_174_016
    row = rows["hardware.gpu_memory"]
    assert row.value == 150_754_820_096
    assert dict(row.params) == {"gpu": "NVIDIA H200", "gpus": "2", "source": "detected"}


def test_what_the_machine_does_not_show_is_left_out(tmp_path: Path) -> None:
    raw = hardware.read_machine(host(tmp_path, ""), 1000, None)
    names = {m.metric for m in hardware.parse_machine(step(), raw).measurements}
    assert names == {"hardware.cpus", "hardware.disk_capacity"}


def test_gpus_of_two_kinds_are_two_rows() -> None:
    other = {"name": "NVIDIA L4", "memory_bytes": 24 << 30}
    measurements = rows({"nvml": {"gpus": [GPU, other, GPU]}})
    assert [(dict(m.params)["gpu"], dict(m.params)["gpus"]) for m in measurements] == [
        ("NVIDIA H200", "2"),
        ("NVIDIA L4", "1"),
    ]


def test_a_gpu_that_does_not_tell_its_memory_has_no_row() -> None:
    [row] = rows({"cpus": 4, "nvml": {"gpus": [{"name": "NVIDIA H200"}], "state": {"error": "x"}}})
    assert row.metric == "hardware.cpus"


@pytest.mark.parametrize(
    "description",
    [
        *([], dict.fromkeys(["memory_kib", "cpus", "disk_bytes", "nvml"])),
        *({"cpus": bad} for bad in (0, -2, True, "2", 2.5)),
        *({"memory_kib": float("nan")}, {"memory_kib": 1 << 61}, {"disk_bytes": {}}, {"nvml": 5}),
        *({"nvml": {"gpus": [one]}} for one in (3, {"memory_bytes": 1})),
        *({"nvml": {"gpus": [{**GPU, "name": name}]}} for name in ("a\nb", "x" * 201)),
        {"nvml": {"gpus": [{**GPU, "memory_bytes": -1}]}},
    ],
)
def test_a_description_that_cannot_be_is_refused(description: object) -> None:
    with pytest.raises(SitegenError, match=r"^machine|no measurement"):
        rows(description)


@pytest.mark.parametrize("data", [b"", b"{", b"[" * 100_000, b'{"cpus": ' + b"9" * 5000 + b"}"])
def test_a_damaged_description_is_refused(data: bytes) -> None:
    with pytest.raises(SitegenError, match=r"^machine"):
        hardware.parse_machine(step(), RawOutput(stdout=data))


def test_the_step_reads_this_machine(tmp_path: Path) -> None:
    each = step(tmp_path)
    raw = hardware.run(each, Host())
    values = {m.metric: m.value for m in hardware.parse(each, raw).measurements}
    assert values["hardware.cpus"] == Host().cpus()
    assert (values["hardware.disk_capacity"] or 0) > 0
    assert {m.metric for m in each.expects} <= {*values, "hardware.memory_capacity"}
