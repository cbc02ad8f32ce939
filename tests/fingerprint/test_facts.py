from __future__ import annotations

import json
import os
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sitegen import fingerprint
from sitegen.config import TEES
from sitegen.fingerprint import Activity, places
from sitegen.redact import Redactor
from tests.machines import written
from tests.machines.written import lay_out, read, seen

SHOWING = ("plain-vm", "container-v1", "gramine-enclave", "gcp-snp")
READ = sorted({path for name in SHOWING for path in written.written(name)["files"]})


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """Return a machine that the test may change."""
    return lay_out("tdx-guest", tmp_path / "machine")


def test_a_guest_shows_what_explains_its_numbers_with_where_it_was_read(tmp_path: Path) -> None:
    found = read("tdx-guest-root", tmp_path)
    facts = {fact.name: fact for fact in found.facts}
    assert len(facts) == len(found.facts)
    assert all(fact.source for fact in found.facts)
    expected = {
        "cpu": "INTEL(R) XEON(R) PLATINUM 8580",
        "cpu_id": "GenuineIntel family 6 model 207 stepping 2", "microcode": "0x21000240",
        "cpus": "2", "cores_per_socket": "2", "threads_per_core": "1",
        "l3_cache": "300 MiB (1 instance)",
        "cpu_flags": "aes avx2 avx512f amx_tile sha_ni vaes hypervisor tdx_guest",
        "isolated_cpus": "none", "cpu_affinity": "0-1", "memory": "15.6 GiB", "swap": "0.0 GiB",
        "huge_pages": "madvise", "huge_pages_defrag": "madvise", "reserved_huge_pages": "none",
        "ksm": "off", "overcommit": "heuristic", "swiotlb": "256 MiB, forced by memory encryption",
        "kernel": "Linux 6.8.0-45", "kernel_kind": "SMP PREEMPT_DYNAMIC",
        "kernel_options": "mitigations=auto,nosmt swiotlb=262144", "os": "Ubuntu 24.04.1 LTS",
        "vulnerable_to": "mmio_stale_data", "clock_source": "tsc", "clock_sources": "tsc kvm-clock",
        "tsc": "constant_tsc nonstop_tsc", "clock_synchronised": "yes", "file_system": "ext4",
        "root_file_system": "ext4", "mount_options": "rw,relatime,discard,data=ordered",
        "free_space": "50 %", "disk": "vda", "disk_bus": "virtio-blk", "disk_driver": "virtio_blk",
        "disk_scheduler": "[none] mq-deadline", "disk_write_cache": "write back",
        "disk_requests": "256", "disk_block_size": "512", "disk_mapper": "none",
        "network_driver": "virtio_net", "network_speed": None, "mtu": "1500",
        "network_offloads": "TSO, GSO, GRO, RX checksum, TX checksum", "somaxconn": "4096",
        "port_range": "32768 to 60999", "tcp_tw_reuse": "2", "congestion_control": "cubic",
        "virtualisation": "kvm", "hypervisor": "KVM", "container": "none", "sys_vendor": "QEMU",
        "cpu_quota": "none", "memory_limit": "none", "cgroup_version": "2", "seccomp": "off",
        "open_files": "1024", "gpu": None, "governor": None,
    }  # fmt: skip
    assert {name: facts[name].value for name in expected} == expected


def test_flags_and_mitigations_have_digests_that_tell_two_machines_apart(tmp_path: Path) -> None:
    guest, plain = read("tdx-guest", tmp_path / "a"), read("plain-vm", tmp_path / "b")
    assert (guest.get("cpu_flags_digest") or "").endswith(", 18 flags")
    assert (plain.get("cpu_flags_digest") or "").endswith(", 17 flags")
    assert guest.get("cpu_flags_digest") != plain.get("cpu_flags_digest")
    assert guest.get("mitigations") == plain.get("mitigations")
    assert (guest.get("mitigations") or "").endswith(", 1 of 3 mitigated")


@pytest.mark.parametrize("name", sorted(written.names()))
def test_no_fact_names_the_machine_its_owner_or_a_secret(name: str, tmp_path: Path) -> None:
    found = read(name, tmp_path)
    text = json.dumps([fact.value for fact in found.facts]) + str(found.tee)
    for secret in (
        "root=", "customer7", "enx525400", "52:54:00", "very-secret", "S64HNE0T", "4711",
        "10.96.0.1", "builder@example", "0123456789abcdef", "7783-7084", "dstack.sock\\0",
    ):  # fmt: skip
        assert secret not in text


def test_mappings_that_lead_to_each_other_are_followed_to_a_depth_of_eight(tmp_path: Path) -> None:
    root = lay_out("bare-metal", tmp_path)
    (root / "sys/devices/virtual/block/dm-0/slaves/dm-1").mkdir()
    found = seen(root, written.command("bare-metal"))
    assert (found.get("disk") or "").count(" on ") == 7


def test_a_partition_is_described_by_its_disk_and_that_by_its_transport(tmp_path: Path) -> None:
    disk = tmp_path / "sys/devices/pci0000:00/virtio3/host0/target0:0:1/0:0:1:0/block/sda"
    folder = tmp_path / "sys/class/block"
    for place in (disk / "sda2", disk / "queue", folder):
        place.mkdir(parents=True)
    (disk / "queue/rotational").write_text("0\n")
    (folder / "sda").symlink_to(disk)
    (folder / "sda2").symlink_to(disk / "sda2")
    found = seen(tmp_path, lambda _: "ext4 rw 1000 100 /dev/sda2[/subvolume]\n")
    assert (found.get("disk"), found.get("disk_rotational")) == ("sda", "0")
    assert (found.get("disk_bus"), found.get("free_space")) == ("virtio-scsi", "10 %")
    assert seen(tmp_path, lambda _: "ext4 rw 0 0 /dev/sda2\n").get("free_space") is None


def test_a_limit_of_a_group_above_binds_as_well(tmp_path: Path) -> None:
    root = lay_out("container", tmp_path)
    (root / "sys/fs/cgroup/docker/cpu.max").write_text("50000 100000\n")
    assert seen(root, written.command("container")).get("cpu_quota") == "0.5"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("sev-host", {
            "governor": "performance", "frequency_driver": "acpi-cpufreq", "boost": "1",
            "highest_frequency": "3.76 GHz", "disk": "nvme0n1", "disk_bus": "nvme",
            "disk_model": "SAMSUNG MZQL23T8HCLS-00A07",
        }),
        ("bare-metal", {
            "no_turbo": "0", "file_system": "xfs", "container": "none", "hypervisor": None,
            "disk": "dm-1 on dm-0 on nvme0n1", "disk_mapper": "LVM on CRYPT", "disk_bus": "nvme",
            "disk_scheduler": "[none] mq-deadline",
        }),
        ("container", {
            "container": "docker", "cpu_quota": "1.5", "memory_limit": "2.00 GiB", "disk": None,
            "seccomp": "filter", "file_system": "overlay", "root_file_system": "overlay",
        }),
        ("container-v1", {
            "cpu_quota": "0.5", "memory_limit": "1.00 GiB", "cgroup_version": "1",
        }),
        ("kubernetes-pod", {
            "container": "Kubernetes, containerd", "hypervisor": "unnamed hypervisor",
        }),
        ("podman", {"container": "podman", "hypervisor": None}),
        ("gvisor", {"container": "gVisor", "hypervisor": "unnamed hypervisor"}),
        ("wsl2", {"container": "wsl", "hypervisor": "Hyper-V (WSL2)"}),
        ("dstack-container", {"container": "docker", "hypervisor": "KVM"}),
        ("firecracker", {
            "container": "none", "hypervisor": "KVM, without firmware tables (a microVM)",
        }),
        ("nitro-parent", {
            "container": "none", "hypervisor": "AWS Nitro", "cloud": "AWS",
            "instance_type": "m7i.2xlarge",
        }),
        ("gcp-snp", {"cloud": "Google Cloud", "region": "us-central1"}),
        ("plain-vm", {"cloud": None}),
    ],
)  # fmt: skip
def test_a_machine_shows_its_policies_its_disk_its_limits_and_who_runs_it(
    name: str, shown: dict[str, str | None], tmp_path: Path
) -> None:
    found = read(name, tmp_path)
    assert {fact: found.get(fact) for fact in shown} == shown


@pytest.mark.parametrize("text", ["", "[", "[" * 100_000, '{"v1": []}', '{"v1": {"region": 7}}'])
def test_a_region_that_cloud_init_did_not_write_is_none(text: str, tmp_path: Path) -> None:
    root = lay_out("gcp-snp", tmp_path)
    (root / "run/cloud-init/instance-data.json").write_text(text)
    assert seen(root).get("region") is None


def test_facts_are_redacted_and_bounded(machine: Path) -> None:
    (machine / "etc/os-release").write_text(f'PRETTY_NAME="acme-build {"x" * 9000}"\n')
    redactor = Redactor({"host": ["acme-build"]})
    found = fingerprint.read(
        Path("/w"), redactor, root=machine, command=written.command("tdx-guest")
    )
    name = found.get("os")
    assert name is not None
    assert name.startswith("[host] xxx")
    assert len(name) == 500
    assert redactor.counts() == {"host": 1}


@pytest.mark.parametrize("unreadable", [(), ("cpuinfo", "meminfo", "stat", "loadavg", "cmdline")])
def test_what_a_machine_does_not_show_is_none_and_never_a_guess(
    unreadable: tuple[str, ...], tmp_path: Path
) -> None:
    for name in unreadable:
        (tmp_path / "proc" / name).mkdir(parents=True)  # reading a folder fails even for root
    found = seen(tmp_path)
    shown = {fact.name for fact in found.facts if fact.value is not None}
    assert shown == {"python", "sitegen"}
    assert found.tee.kind == "unknown"
    assert fingerprint.boot_hash(tmp_path) == ""
    assert fingerprint.activity(tmp_path).counters == {}
    assert fingerprint.activity(tmp_path).load is None


def test_the_boot_hash_tells_boots_apart_and_does_not_hold_the_boot_id(machine: Path) -> None:
    first = fingerprint.boot_hash(machine)
    path = machine / "proc/sys/kernel/random/boot_id"
    assert path.read_text().strip() not in first
    assert first not in path.read_text()
    path.write_text("6d0e1c3a-7f6b-4a7e-9a53-1f0c6f5e2b11\n")
    assert fingerprint.boot_hash(machine) != first
    assert len(first) == 16


def test_activity_reads_pressure_steal_throttling_and_load_in_seconds(tmp_path: Path) -> None:
    ticks = os.sysconf("SC_CLK_TCK")
    found = fingerprint.activity(lay_out("container", tmp_path))
    psi = {"psi_cpu": 2.5, "psi_io": 1.0, "psi_memory": 0.0}
    assert found.counters == {**psi, "steal": 700 / ticks, "throttled": 0.25}
    assert found.load == 0.42


def test_interrupts_and_switches_are_counted_over_the_whole_machine(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/stat").write_text("cpu  1 2 3\nintr 5021 0 9\nctxt 777\nbtime 1\n")
    (tmp_path / "proc/interrupts").write_text(
        "           CPU0       CPU1\n  1:   5   6   IO-APIC   1-edge\n"
        "LOC:     100    200   Local timer interrupts\nRES:   1   2   Rescheduling interrupts\n"
        "CAL:      10     20   Function call interrupts\nTLB:   3   4   TLB shootdowns\n"
    )
    counters = fingerprint.activity(tmp_path).counters
    assert counters == {
        "interrupts": 5021,
        "context_switches": 777,
        "timers": 300,
        "sent": 40,
    }
    later = Activity(12.0, 2, None, {**counters, "interrupts": 5071})
    assert fingerprint.conditions(Activity(2.0, 2, None, counters), later)["interrupts"] == 5.0


@pytest.mark.parametrize(
    ("before", "after", "shares"),
    [
        (
            Activity(100.0, 4, 1.5, {"psi_cpu": 2.0, "steal": 10.0, "gone": 1.0}),
            Activity(110.0, 4, 9.0, {"psi_cpu": 5.0, "steal": 12.0, "new": 3.0}),
            {"psi_cpu": 0.3, "steal": 2.0 / 10 / 4, "load_before": 1.5},
        ),
        # A counter went backwards, and no time passed.
        (Activity(0, 1, None, {"steal": 5}), Activity(1, 1, None, {"steal": 4}), {"steal": 0}),
        (*[Activity(1, 1, 0.0, {"psi_io": 1})] * 2, {"psi_io": 0, "load_before": 0}),
    ],
)
def test_conditions_are_shares_of_wall_time_and_steal_is_one_of_all_cpus(
    before: Activity, after: Activity, shares: dict[str, float]
) -> None:
    assert fingerprint.conditions(before, after) == pytest.approx(shares)


def test_this_machine_can_be_read_and_quickly(tmp_path: Path) -> None:
    started = time.monotonic()
    found = fingerprint.read(tmp_path, Redactor())
    assert time.monotonic() - started < 5
    assert len([fact for fact in found.facts if fact.value is not None]) > 20
    assert found.tee.kind
    assert len(found.tee.signals) > 15


def test_a_program_that_is_missing_fails_or_hangs_is_as_if_it_said_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = {"slow": "sleep 9", "sad": "echo no luck >&2; exit 3", "both": "echo a; echo b >&2"}
    for name, body in programs.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(places, "_TIMEOUT_S", 0.1)
    asked = places.asked_at_once([("slow",), ("sad",), ("no-such-program-here",)])
    assert [asked((name,)) for name in ("slow", "no-such-program-here")] == [None, None]
    assert (asked(("sad",)) or "").strip() == "no luck"
    assert (asked(("both",)) or "").strip() == "a"


@given(st.dictionaries(st.sampled_from(READ), st.text(max_size=300), max_size=8), st.text())
@settings(max_examples=30, deadline=None)
def test_whatever_files_hold_and_programs_say_the_machine_is_read(
    texts: dict[str, str], said: str
) -> None:
    with TemporaryDirectory() as folder:
        for path, text in texts.items():
            place = Path(folder, path.lstrip("/"))
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text, "utf-8", "surrogatepass")
        found = seen(Path(folder), lambda _: said)
        assert seen(Path(folder)).tee.kind
    assert found.tee.kind
    assert all(fact.value is None or len(fact.value) <= 500 for fact in found.facts)


@given(st.sampled_from(sorted(written.names())), st.data())
@settings(max_examples=25, deadline=None)
def test_a_machine_whose_files_and_answers_are_cut_or_changed_is_read(
    name: str, data: st.DataObject
) -> None:
    def damaged(text: str) -> str:
        at = data.draw(st.integers(0, len(text)))
        return text[:at] + data.draw(st.sampled_from(["", "\0", "9" * 5000, "\n:", "\u2028"]))

    with TemporaryDirectory() as folder:
        root = lay_out(name, Path(folder))
        files = [path for path, text in written.written(name)["files"].items() if text]
        for path in data.draw(st.lists(st.sampled_from(files or [""]), max_size=3, unique=True)):
            place = root / path.lstrip("/")
            if place.is_file():
                place.write_text(damaged(place.read_text()), "utf-8")
        answers = written.command(name)
        broken = data.draw(st.sampled_from(["lscpu", "dmesg", "findmnt", "nvidia-smi", "ethtool"]))

        def command(argv: tuple[str, ...]) -> str | None:
            said = answers(argv)
            return damaged(said) if said and argv[0] == broken else said

        found = seen(root, command)
        moment = fingerprint.activity(root)
    assert found.tee.kind in (*TEES, "contradictory", "unknown")
    assert found.tee.confidence in ("", "low", "medium", "high")
    assert all(value >= 0 for value in moment.counters.values())
