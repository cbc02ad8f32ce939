from __future__ import annotations

from pathlib import Path

import pytest

from sitegen.config import TEES
from sitegen.fingerprint import contradiction
from sitegen.model import Fingerprint, Signal
from tests.machines import written
from tests.machines.written import read

VM, METAL, ENCLAVE = "virtual machine", "bare metal", "enclave"
IN_VM = f"container in {VM}"
#: TEE, confidence and platform -> machines.
TAKEN_FOR = {
    ("cca", "high", VM): "cca-guest",
    ("contradictory", "", VM): "contradictory",
    ("csv", "high", VM): "csv2-guest",
    ("csv", "medium", VM): "csv-guest",
    ("nitro", "medium", ENCLAVE): "nitro-enclave",
    ("none", "high", IN_VM): "container container-v1 kubernetes-pod",
    ("none", "high", METAL): "bare-metal csv-host sev-host sgx-host tdx-host tdx-host-not-ready",
    ("none", "high", VM):
        "dstack-simulator firecracker gpu-broken h100-cc-off h100-simulation nitro-parent "
        "plain-vm v100",
    ("none", "low", IN_VM): "gvisor wsl2",
    ("none", "low", VM): "azure-hidden gramine-direct",
    ("none", "medium", VM): "plain-amd-vm",
    ("secure-execution", "high", VM): "secure-execution-guest",
    ("sev", "low", VM): "sev-guest-old",
    ("sev", "medium", VM): "sev-guest",
    ("sev-es", "high", VM): "sev-es-guest",
    ("sev-snp", "high", VM): "azure-h100 gcp-snp h100-devtools snp-guest snp-guest-svsm",
    ("sev-snp", "low", VM): "azure-snp-vtom",
    ("sev-snp", "medium", VM): "azure-cpuid azure-snp azure-snp-user",
    ("sgx", "medium", ENCLAVE): "gramine-enclave occlum-enclave",
    ("tdx", "high", VM):
        "b200-nvle h100-cc-on h200-protected-pcie tdx-gpu-guest tdx-guest tdx-guest-root",
    ("tdx", "medium", IN_VM): "dstack-container",
    ("tdx", "medium", VM): "azure-tdx",
    ("none", "high", f"container in {METAL}"): "podman",
}  # fmt: skip
MACHINES = {name: taken for taken, names in TAKEN_FOR.items() for name in names.split()}


def saw(found: Fingerprint, source: str) -> str:
    return next(signal.saw for signal in found.tee.signals if signal.source == source)


def test_every_machine_that_is_written_down_is_in_the_table() -> None:
    assert set(MACHINES) == written.names()


@pytest.mark.parametrize("name", sorted(MACHINES))
def test_a_machine_is_taken_for_what_it_is_and_every_place_tells_for_what_it_speaks(
    name: str, tmp_path: Path
) -> None:
    kind, confidence, platform = MACHINES[name]
    found = read(name, tmp_path)
    assert (found.tee.kind, found.tee.confidence) == (kind, confidence)
    assert found.get("platform") == platform
    assert found.tee.reasons
    assert kind in (*TEES, "contradictory")
    signals = found.tee.signals
    assert len(signals) > 15
    assert all(signal.source and signal.saw for signal in signals)
    assert {signal.means for signal in signals} <= {"", *TEES}
    speaking = {signal.means for signal in signals} - {"", "none"}
    if kind == "none":
        assert not speaking
    elif kind != "contradictory":
        assert kind in speaking


@pytest.mark.parametrize(
    ("name", "reasons"),
    [
        ("tdx-guest", (
            "/dev/tdx_guest exists", "/sys/devices/virtual/misc/tdx_guest exists",
            "CPU flag tdx_guest", "configfs tsm provider tdx_guest",
            "systemd-detect-virt --cvm says tdx",
        )),
        ("snp-guest", (
            "/dev/sev-guest exists", "/sys/devices/platform/sev-guest exists",
            "/sys/devices/system/cpu/sev/vmpl exists", "configfs tsm provider sev_guest",
        )),
    ],
)  # fmt: skip
def test_every_signal_of_a_guest_is_named(
    name: str, reasons: tuple[str, ...], tmp_path: Path
) -> None:
    assert read(name, tmp_path).tee.reasons == reasons


@pytest.mark.parametrize(
    ("name", "source", "told"),
    [
        # An entry appears when somebody asks for a report.
        ("tdx-guest-root", "/sys/kernel/config/tsm/report", "present, without an entry"),
        ("csv-guest", "systemd-detect-virt --cvm", "none, which proves nothing"),
        ("plain-vm", "systemd-detect-virt --cvm", "not known to this version"),
        ("container", "systemd-detect-virt --cvm", "not asked"),
        ("plain-vm", "kernel log", "unreadable"),
        ("sev-guest", "kernel log", "read whole"),
    ],
)
def test_what_says_nothing_tells_why(name: str, source: str, told: str, tmp_path: Path) -> None:
    assert saw(read(name, tmp_path), source) == told


@pytest.mark.parametrize(
    ("name", "told", "able"),
    [
        ("sev-host", "the host of SEV guests, not one", "sev, sev-es, sev-snp"),
        ("csv-host", "the host of SEV guests, not one", "csv, sev, sev-es"),
        ("plain-amd-vm", "a capability of the processor, not a guest", None),
        ("tdx-host", "the host of TDX guests, not one", "sgx, tdx"),
        ("sgx-host", "this is not inside one", "sgx"),
        ("nitro-parent", "the parent of Nitro enclaves, not one", "nitro"),
    ],
)
def test_what_a_host_can_do_is_no_guest(
    name: str, told: str, able: str | None, tmp_path: Path
) -> None:
    found = read(name, tmp_path)
    assert any(told in reason for reason in found.tee.reasons)
    assert found.get("tee_host") == able


def test_a_guest_that_was_given_sgx_can_make_enclaves_and_is_not_in_one(tmp_path: Path) -> None:
    root = written.lay_out("plain-vm", tmp_path)
    (root / "dev/sgx_enclave").touch()
    found = written.seen(root)
    assert (found.tee.kind, found.get("tee_host")) == ("none", "sgx")
    assert contradiction("sgx", "cpu-tee", found) == ""


def test_a_tdx_host_whose_module_was_never_started_is_not_ready(tmp_path: Path) -> None:
    found = read("tdx-host-not-ready", tmp_path)
    told = Signal("dmesg", "virt/tdx: BIOS enabled, module not initialized", "none")
    assert told in found.tee.signals
    assert found.get("tee_host") is None


def test_contradictory_signals_are_all_named_with_their_kind(tmp_path: Path) -> None:
    reasons = read("contradictory", tmp_path).tee.reasons
    assert {reason.split(":")[0] for reason in reasons} == {"tdx", "sev-snp"}


def test_amd_sev_alone_is_never_plain_sev_under_a_paravisor(tmp_path: Path) -> None:
    for name in ("azure-snp", "azure-tdx"):
        found = read(name, tmp_path / name)
        assert "sev" not in {signal.means for signal in found.tee.signals}
        assert found.get("paravisor") == "of Hyper-V"
        assert found.get("cloud") == "Azure"
    assert read("snp-guest-svsm", tmp_path / "svsm").get("paravisor") == (
        "an SVSM (the guest runs at VMPL 2)"
    )


def test_the_journal_stands_in_for_a_log_that_is_kept_from_us(tmp_path: Path) -> None:
    def command(argv: tuple[str, ...]) -> str | None:
        if argv[0] != "journalctl":
            return written.command("sev-guest")(argv) if argv[0] != "dmesg" else None
        return (
            "[    0.000000] example kernel: Linux version 6.8.0\n"
            "[    0.700000] example kernel: SEV: Status: SEV SEV-ES\n"
            "[    2.100000] example systemd[1]: Detected confidential virtualization sev-es.\n"
        )

    found = written.seen(written.lay_out("sev-guest", tmp_path), command).tee
    assert (found.kind, found.confidence) == ("sev-es", "high")
    assert "example" not in str(found)


def test_a_log_whose_beginning_is_lost_does_not_rule_a_tee_out(tmp_path: Path) -> None:
    root = written.lay_out("plain-amd-vm", tmp_path)
    wrapped = {"dmesg": "[ 9000.100000] usb 1-1: new device\n"}
    verdict = written.seen(root, lambda argv: wrapped.get(argv[0])).tee
    assert (verdict.kind, verdict.confidence) == ("none", "medium")
    assert Signal("kernel log", "read, its beginning is lost") in verdict.signals


def test_a_simulator_is_told_and_never_speaks_for_a_tee(tmp_path: Path) -> None:
    found = read("dstack-simulator", tmp_path)
    assert found.get("dstack") == "simulator"
    assert "a dstack simulator answers here: what it attests proves nothing" in found.tee.reasons
    root = written.lay_out("dstack-container", tmp_path / "real")
    (root / "proc/self/environ").write_text("DSTACK_SIMULATOR_ENDPOINT=x\0")
    (root / "proc/cpuinfo").write_text((tmp_path / "proc/cpuinfo").read_text())
    assert written.seen(root).tee.kind == "none"


def test_a_cpuid_program_that_is_there_is_read(tmp_path: Path) -> None:
    found = read("azure-cpuid", tmp_path)
    assert Signal("CPUID 0x4000000c", "isolation type 2", "sev-snp") in found.tee.signals
    assert saw(found, "CPUID 0x8000001f") == "can do SEV, SEV-ES, SEV-SNP"


def event_log(kind: bytes) -> dict[str, bytes]:
    return {"sys/firmware/acpi/tables/CCEL": b"CCEL" + bytes(32) + kind + bytes(19)}


@pytest.mark.parametrize(
    ("base", "files", "answers", "kind", "confidence"),
    [
        pytest.param("plain-vm", {"run/dstack/tappd.sock": b""}, {}, "tdx", "low",
                     id="the socket of dstack's agent is a hint and no more"),
        pytest.param("plain-vm", event_log(b"\x01"), {}, "sev-snp", "low", id="event log of SNP"),
        pytest.param("plain-vm", event_log(b"\x02"), {}, "tdx", "low", id="event log of TDX"),
        pytest.param("plain-vm", {}, {"cpuid -1 -r": (
            "   0x00000021 0x00: eax=0x00000000 ebx=0x65746e49 ecx=0x20202020 edx=0x5844546c\n"
        )}, "tdx", "medium", id="CPUID of TDX"),
        pytest.param("tdx-guest", {}, {"nvidia-smi conf-compute -q": (
            "    CC State : ON\n    CPU CC Capabilities : AMD SEV-SNP\n"
        )}, "contradictory", "", id="a driver that sees another TEE than the CPU"),
    ],
)  # fmt: skip
def test_one_more_file_or_answer_tells_of_a_tee(  # noqa: PLR0913 - what a machine is made of
    base: str, files: dict[str, bytes], answers: dict[str, str], kind: str, confidence: str,
    tmp_path: Path,
) -> None:  # fmt: skip
    root = written.lay_out(base, tmp_path)
    for path, data in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data)
    verdict = written.seen(root, lambda argv: answers.get(" ".join(argv))).tee
    assert (verdict.kind, verdict.confidence) == (kind, confidence)


def test_csv_2_and_3_are_reasons_and_no_kinds_of_their_own(tmp_path: Path) -> None:
    assert "the kernel names CSV2" in read("csv2-guest", tmp_path).tee.reasons


def test_without_a_processor_nothing_is_known(tmp_path: Path) -> None:
    verdict = written.seen(tmp_path).tee
    assert (verdict.kind, verdict.confidence) == ("unknown", "")
    assert verdict.reasons == ("the processor is not shown",)
