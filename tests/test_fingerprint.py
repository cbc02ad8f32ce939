from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from sitegen import fingerprint
from sitegen.fingerprint import Activity
from sitegen.model import Fingerprint
from sitegen.redact import Redactor

MACHINES = Path(__file__).parent / "machines"
#: Machine -> TEE kind, role of its virtualisation.
KINDS = {
    "tdx-guest": ("tdx", "kvm"),
    "tdx-gpu-guest": ("tdx", "kvm"),
    "snp-guest": ("sev-snp", "kvm"),
    "csv-guest": ("csv", "kvm"),
    "contradictory": ("contradictory", "kvm"),
    "sev-host": ("none", "none"),
    "bare-metal": ("none", "none"),
    "plain-vm": ("none", "kvm"),
    "container": ("none", "unnamed hypervisor"),
}


def recorded(name: str) -> Callable[[tuple[str, ...]], str | None]:
    answers: dict[str, str] = json.loads((MACHINES / name / "commands.json").read_text())
    return lambda argv: answers.get(" ".join(argv)) or answers.get(argv[0])


def read(name: str, redactor: Redactor | None = None) -> Fingerprint:
    return fingerprint.read(
        Path("/work"), redactor or Redactor(), root=MACHINES / name, command=recorded(name)
    )


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """Return a copy of a machine that the test may change."""
    return Path(shutil.copytree(MACHINES / "tdx-guest", tmp_path / "machine"))


def test_every_recorded_machine_is_tested() -> None:
    assert set(KINDS) == {path.name for path in MACHINES.iterdir() if path.is_dir()}


@pytest.mark.parametrize("name", KINDS)
def test_the_tee_verdict_follows_the_signals_of_the_guest(name: str) -> None:
    kind, virtualisation = KINDS[name]
    found = read(name)
    assert found.tee.kind == kind
    assert found.tee.reasons
    assert found.get("virtualisation") == virtualisation


def test_every_signal_of_a_tdx_guest_is_named() -> None:
    assert read("tdx-guest").tee.reasons == (
        "/dev/tdx_guest exists",
        "/sys/devices/virtual/misc/tdx_guest exists",
        "CPU flag tdx_guest",
        "configfs tsm provider tdx_guest",
    )


def test_every_signal_of_an_snp_guest_is_named() -> None:
    assert read("snp-guest").tee.reasons == (
        "/dev/sev-guest exists",
        "/sys/devices/platform/sev-guest exists",
        "/sys/devices/system/cpu/sev/vmpl exists",
        "configfs tsm provider sev_guest",
    )


def test_sev_flags_of_a_host_do_not_make_it_a_guest() -> None:
    assert "the host of SEV guests, not one" in read("sev-host").tee.reasons[-1]
    assert "a capability of the processor" in read("plain-vm").tee.reasons[-1]


def test_contradictory_signals_are_all_named_with_their_kind() -> None:
    reasons = read("contradictory").tee.reasons
    assert {reason.split(":")[0] for reason in reasons} == {"tdx", "sev-snp"}


def test_a_guest_shows_cpu_memory_kernel_and_tuning_with_where_they_were_read() -> None:
    found = read("tdx-guest")
    facts = {fact.name: fact for fact in found.facts}
    assert len(facts) == len(found.facts)
    assert all(fact.source for fact in found.facts)
    expected = {
        "cpu": "INTEL(R) XEON(R) PLATINUM 8580",
        "cpu_id": "GenuineIntel family 6 model 143 stepping 2",
        "microcode": "0x21000240",
        "cpus": "2",
        "threads_per_core": "1",
        "l3_cache": "300 MiB (1 instance)",
        "cpu_flags": "aes avx2 avx512f amx_tile sha_ni vaes hypervisor tdx_guest",
        "memory": "15.6 GiB",
        "swap": "0.0 GiB",
        "kernel": "Linux 6.8.0-45",
        "kernel_options": "mitigations=auto,nosmt swiotlb=262144",
        "os": "Ubuntu 24.04.1 LTS",
        "vulnerable_to": "mmio_stale_data",
        "clock_source": "tsc",
        "somaxconn": "4096",
        "huge_pages": "madvise",
        "file_system": "ext4",
        "mount_options": "rw,relatime,discard,data=ordered",
        "disk": "vda",
        "disk_scheduler": "[none] mq-deadline",
        "disk_write_cache": "write back",
        "disk_mapper": "none",
        "sys_vendor": "QEMU",
        "gpu": None,
        "container": "none",
        "governor": None,
        "cpu_quota": None,
    }
    assert {name: facts[name].value for name in expected} == expected


def test_only_kernel_options_of_note_are_read_from_the_command_line() -> None:
    text = json.dumps([fact.value for fact in read("tdx-guest").facts])
    assert "root=" not in text
    assert "customer7" not in text


def test_bare_metal_shows_its_cpu_frequency_policy_and_its_disk() -> None:
    metal, host = read("bare-metal"), read("sev-host")
    assert metal.get("no_turbo") == "0"
    assert metal.get("file_system") == "xfs"
    assert host.get("governor") == "performance"
    assert host.get("boost") == "1"
    assert host.get("disk_model") == "SAMSUNG MZQL23T8HCLS-00A07"


def test_a_mapped_disk_is_followed_to_its_device(tmp_path: Path) -> None:
    root = Path(shutil.copytree(MACHINES / "bare-metal", tmp_path / "machine"))
    assert read("bare-metal").get("disk") is None
    for name in ("dev/mapper", "sys/class/block/dm-0/queue", "sys/class/block/dm-0/dm"):
        (root / name).mkdir(parents=True)
    (root / "dev/dm-0").touch()
    (root / "dev/mapper/vg-root").symlink_to("../dm-0")
    (root / "sys/class/block/dm-0/dm/uuid").write_text("CRYPT-LUKS2-0123456789abcdef-root\n")
    found = fingerprint.read(Path("/w"), Redactor(), root=root, command=recorded("bare-metal"))
    assert (found.get("disk"), found.get("disk_mapper")) == ("dm-0", "CRYPT")


def test_a_partition_is_described_by_its_disk(tmp_path: Path) -> None:
    disk = tmp_path / "sys/devices/pci/nvme0n1"
    (disk / "nvme0n1p2").mkdir(parents=True)
    (disk / "queue").mkdir()
    (disk / "queue/rotational").write_text("0\n")
    folder = tmp_path / "sys/class/block"
    folder.mkdir(parents=True)
    for name in ("nvme0n1", "nvme0n1/nvme0n1p2"):
        (folder / Path(name).name).symlink_to(Path("../../devices/pci") / name)
    said = "ext4 rw /dev/nvme0n1p2[/subvolume]\n"
    found = fingerprint.read(Path("/w"), Redactor(), root=tmp_path, command=lambda _: said)
    assert (found.get("disk"), found.get("disk_rotational")) == ("nvme0n1", "0")


def test_a_container_shows_its_quota_and_that_its_disk_is_not_known() -> None:
    found = read("container")
    assert found.get("container") == "docker"
    assert found.get("cpu_quota") == "1.5"
    assert found.get("file_system") == "overlay"
    assert found.get("disk") is None


def test_gpus_of_one_kind_are_named_once_with_what_the_driver_says_of_their_mode() -> None:
    found = read("tdx-gpu-guest")
    assert found.get("gpu") == "NVIDIA H200, 570.86.15, 143771 MiB"
    assert found.get("gpu_confidential_compute") == "ON"


def test_facts_are_redacted_and_bounded(machine: Path) -> None:
    (machine / "etc/os-release").write_text(f'PRETTY_NAME="acme-build {"x" * 9000}"\n')
    redactor = Redactor({"host": ["acme-build"]})
    found = fingerprint.read(Path("/w"), redactor, root=machine, command=recorded("tdx-guest"))
    name = found.get("os")
    assert name is not None
    assert name.startswith("[host] xxx")
    assert len(name) == 500
    assert redactor.counts() == {"host": 1}


def test_what_a_machine_does_not_show_is_none_and_never_a_guess(tmp_path: Path) -> None:
    found = fingerprint.read(Path("/w"), Redactor(), root=tmp_path, command=lambda _: None)
    assert {fact.name: fact.value for fact in found.facts if fact.value is not None} == {}
    assert found.tee.kind == "unknown"
    assert fingerprint.boot_hash(tmp_path) == ""
    assert fingerprint.activity(tmp_path).counters == {}
    assert fingerprint.activity(tmp_path).load is None


def test_files_that_cannot_be_read_are_as_if_they_were_not_there(tmp_path: Path) -> None:
    for name in ("cpuinfo", "meminfo", "stat", "loadavg", "cmdline"):
        (tmp_path / "proc" / name).mkdir(parents=True)  # reading a folder fails even for root
    found = fingerprint.read(Path("/w"), Redactor(), root=tmp_path, command=lambda _: None)
    assert all(fact.value is None for fact in found.facts)
    assert fingerprint.activity(tmp_path).counters == {}


def test_the_boot_hash_tells_boots_apart_and_does_not_hold_the_boot_id(machine: Path) -> None:
    first = fingerprint.boot_hash(machine)
    assert first == fingerprint.boot_hash(MACHINES / "tdx-guest")
    path = machine / "proc/sys/kernel/random/boot_id"
    assert path.read_text().strip() not in first
    assert first not in path.read_text()
    path.write_text("6d0e1c3a-7f6b-4a7e-9a53-1f0c6f5e2b11\n")
    assert fingerprint.boot_hash(machine) != first
    assert len(first) == 16


def test_activity_reads_pressure_steal_throttling_and_load_in_seconds() -> None:
    ticks = os.sysconf("SC_CLK_TCK")
    found = fingerprint.activity(MACHINES / "container")
    assert found.counters == {
        "psi_cpu": 2.5,
        "psi_io": 1.0,
        "psi_memory": 0.0,
        "steal": 700 / ticks,
        "throttled": 0.25,
    }
    assert found.load == 0.42


def test_conditions_are_shares_of_wall_time_and_steal_is_one_of_all_cpus() -> None:
    before = Activity(100.0, 4, 1.5, {"psi_cpu": 2.0, "steal": 10.0, "gone": 1.0})
    after = Activity(110.0, 4, 9.0, {"psi_cpu": 5.0, "steal": 12.0, "new": 3.0})
    assert fingerprint.conditions(before, after) == pytest.approx(
        {"psi_cpu": 0.3, "steal": 2.0 / 10 / 4, "load_before": 1.5}
    )


def test_a_counter_that_went_backwards_is_no_activity() -> None:
    before = Activity(0.0, 1, None, {"steal": 5.0})
    assert fingerprint.conditions(before, Activity(1.0, 1, None, {"steal": 4.0})) == {"steal": 0.0}


def test_two_moments_at_once_do_not_divide_by_zero() -> None:
    moment = Activity(1.0, 1, 0.0, {"psi_io": 1.0})
    assert fingerprint.conditions(moment, moment) == {"psi_io": 0.0, "load_before": 0.0}


def test_this_machine_can_be_read(tmp_path: Path) -> None:
    found = fingerprint.read(tmp_path, Redactor())
    assert len(found.facts) > 20
    assert found.tee.kind
