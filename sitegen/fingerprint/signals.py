"""Every place that tells something of a TEE: where it was looked for, what was there, whose it is.

A guest's signal speaks for a TEE; a host's capability speaks against being inside one.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

from msgspec import Struct

from sitegen.fingerprint import gpu, platform
from sitegen.fingerprint.places import ABSENT, PRESENT, UNREADABLE, Log, Machine


class Sighting(Struct, frozen=True):
    """A signal and its weight: ``origin`` is who says it, ``hint`` that others say it too.

    Two signals of one origin are one witness: a driver makes several files. ``reason`` says in
    words why it speaks for a TEE; of a host's it is the TEE that the host can make.
    """

    source: str
    saw: str
    means: str = ""
    origin: str = ""
    reason: str = ""
    hint: bool = False

    @property
    def kind(self) -> str:
        """The TEE that the signal speaks for, or nothing."""
        return "" if self.means == "none" else self.means

    @property
    def able(self) -> str:
        """The TEE of which the signal shows a host, or nothing."""
        return self.reason if self.origin == "host" and self.means == "none" else ""


#: What exists only in a guest of that TEE, and who makes it.
_GUEST_PLACES: tuple[tuple[str, str, str], ...] = (
    ("tdx", "/dev/tdx_guest", "driver"),
    ("tdx", "/dev/tdx-guest", "driver"),
    ("tdx", "/dev/tdx-attest", "driver"),
    ("tdx", "/sys/devices/virtual/misc/tdx_guest", "driver"),
    ("sev-snp", "/dev/sev-guest", "driver"),
    ("sev-snp", "/sys/devices/platform/sev-guest", "kernel"),
    ("sev-snp", "/sys/devices/system/cpu/sev/vmpl", "kernel"),
    ("csv", "/dev/csv-guest", "driver"),
    ("nitro", "/dev/nsm", "driver"),
    ("cca", "/sys/devices/platform/arm-cca-dev", "kernel"),
)
#: What a host has, or has switched on, so that it can make guests: no sign of being inside one.
_HOST_PLACES: tuple[tuple[str, str], ...] = (
    ("sev", "/dev/sev"),
    ("sgx", "/dev/sgx_enclave"),
    ("sgx", "/dev/sgx/enclave"),
    ("nitro", "/dev/nitro_enclaves"),
    ("csv", "/dev/hygon_psp_config"),
    ("sev", "/sys/module/kvm_amd/parameters/sev"),
    ("sev-es", "/sys/module/kvm_amd/parameters/sev_es"),
    ("sev-snp", "/sys/module/kvm_amd/parameters/sev_snp"),
    ("tdx", "/sys/module/kvm_intel/parameters/tdx"),
    ("secure-execution", "/sys/firmware/uv/prot_virt_host"),
)
_PROVIDERS = {"tdx_guest": "tdx", "sev_guest": "sev-snp", "arm_cca_guest": "cca"}
#: systemd's words for `--cvm`.
_SYSTEMD = {
    "tdx": "tdx", "sev": "sev", "sev-es": "sev-es", "sev-snp": "sev-snp", "cca": "cca",
    "protvirt": "secure-execution",
}  # fmt: skip
_TSM = "/sys/kernel/config/tsm/report"
_CCEL = "/sys/firmware/acpi/tables/CCEL"
_FEATURES = re.compile(r"Memory Encryption Features active: ?([\w -]{0,80})")
_STATUS = re.compile(r"SEV: Status: ?([\w -]{0,80})")
_ISOLATION = re.compile(
    r"Hyper-V: Isolation Config: Group A 0x([0-9a-f]{1,8}), Group B 0x([0-9a-f]{1,8})"
)
_DETECTED = re.compile(r"Detected confidential virtualization ([\w-]{1,20})")
_HYPER_V = {2: "sev-snp", 3: "tdx"}
_LEAF = re.compile(
    r"^\s*0x([0-9a-f]{8}) 0x00: eax=0x([0-9a-f]{8}) ebx=0x([0-9a-f]{8}) ecx=0x([0-9a-f]{8})"
    r" edx=0x([0-9a-f]{8})",
    re.MULTILINE,
)
_INTEL_TDX = ["65746e49", "20202020", "5844546c"]
_HOST_FLAGS = {"sev": "sev", "sev_es": "sev-es", "sev_snp": "sev-snp", "sgx": "sgx",
               "tdx_host_platform": "tdx", "csv": "csv", "csv2": "csv", "csv3": "csv"}  # fmt: skip


def signals(machine: Machine) -> Iterator[Sighting]:
    """Yield every signal that was looked for, those of guests first."""
    for part in (_places, _cpu, _providers, _enclaves, _kernel_log, _programs, _dstack, _host):
        yield from part(machine)


def _places(machine: Machine) -> Iterator[Sighting]:
    for kind, path, origin in _GUEST_PLACES:
        saw = machine.look(path)
        yield Sighting(path, saw, kind if saw == PRESENT else "", origin, f"{path} exists")
    saw, kind = machine.look(_CCEL), ""
    if saw == PRESENT:
        # Which TEE the event log is of stands in the table, which only root can read.
        kind = "tdx"
        with contextlib.suppress(OSError):
            kind = "sev-snp" if machine.at(_CCEL).read_bytes()[36:37] == b"\x01" else kind
    yield Sighting(_CCEL, saw, kind, "firmware", "firmware has a CC event log", hint=True)


def _cpu(machine: Machine) -> Iterator[Sighting]:
    flags, source = machine.flags(), "CPU flag tdx_guest"
    if not machine.cpu():
        yield Sighting(source, machine.show("/proc/cpuinfo"))
        return
    there = "tdx_guest" in flags
    yield Sighting(source, PRESENT if there else ABSENT, "tdx" if there else "", "cpu", source)
    # A guest is shown what its processor can do: only bare metal can use it.
    guest = "hypervisor" in flags
    saw = f"present, {'under' if guest else 'without'} a hypervisor"
    for flag, kind in _HOST_FLAGS.items():
        if flag in flags:
            yield Sighting(f"CPU flag {flag}", saw, "" if guest else "none", "host", kind)


def _providers(machine: Machine) -> Iterator[Sighting]:
    source = "configfs tsm provider"
    paths = [f"{_TSM}/{name}/provider" for name in machine.names(_TSM)]
    providers = [provider for path in paths if (provider := machine.text(path))]
    for provider in providers:
        kind = _PROVIDERS.get(provider, "")
        yield Sighting(source, provider, kind, "provider", f"{source} {provider}")
    if not providers:
        # An entry appears when somebody asks for a report: an empty folder says nothing.
        saw = machine.look(_TSM)
        yield Sighting(_TSM, "present, without an entry" if saw == PRESENT else saw)


def _enclaves(machine: Machine) -> Iterator[Sighting]:
    path = "/sys/firmware/uv/prot_virt_guest"
    saw = machine.show(path)
    yield Sighting(path, saw, "secure-execution" if saw == "1" else "", "kernel", f"{path} is 1")
    path = "/dev/attestation/attestation_type"
    saw = machine.show(path)
    reports = machine.look("/dev/attestation/my_target_info") == PRESENT
    kind = "sgx" if saw in ("dcap", "epid") or (saw == "none" and reports) else ""
    yield Sighting(path, saw, kind, "gramine", f"Gramine attests with {saw}")
    if machine.variables() & {"OCCLUM", "OCCLUM_VERSION"}:
        inside = machine.look("/dev/sgx") == PRESENT
        saw, kind = (PRESENT, "sgx") if inside else (ABSENT, "")
        source = "/dev/sgx with Occlum's variable"
        yield Sighting(source, saw, kind, "occlum", "/dev/sgx inside Occlum")


def _kernel_log(machine: Machine) -> Iterator[Sighting]:
    log = machine.log
    if not log.source:
        yield Sighting("kernel log", UNREADABLE)
        return
    yield Sighting("kernel log", "read whole" if log.whole else "read, its beginning is lost")
    for line, kind in (("tdx: Guest detected", "tdx"), ("RME: Using RSI version", "cca")):
        if line in log.text:
            yield _logged(log, line, kind)
    if match := _ISOLATION.search(log.text):
        kind = _HYPER_V.get(int(match[2], 16) & 15, "")
        yield _logged(log, match[0], kind, "hypervisor")
    if match := _DETECTED.search(log.text):
        yield _logged(log, match[0], _SYSTEMD.get(match[1], ""), "systemd")
    yield from _memory_encryption(machine, log)
    if (line := "virt/tdx: module initialized") in log.text:
        yield Sighting(log.source, line, "none", "host", "tdx")
    elif (line := "virt/tdx: BIOS enabled") in log.text:
        yield Sighting(log.source, f"{line}, module not initialized", "none")


def _memory_encryption(machine: Machine, log: Log) -> Iterator[Sighting]:
    """Yield what the lines on memory encryption say; "AMD SEV" alone is said of many things."""
    if match := _STATUS.search(log.text):
        line, kind = match[0].strip(), _highest(match[1], machine)
        if "vtom" in match[1].lower():
            reason = f"{log.source}: {line} (under a paravisor)"
            yield Sighting(log.source, line, "sev-snp", "paravisor", reason, hint=True)
        elif kind:
            yield _logged(log, line, kind)
    if match := _FEATURES.search(log.text):
        line = match[0].strip()
        kind = "tdx" if "TDX" in match[1] else _highest(match[1], machine)
        if {"SME", "TME"} & set(match[1].split()):
            yield Sighting(log.source, line, "none")
        elif kind == "sev":
            # Azure's SNP guests say this, and so did some of its TDX guests.
            kind = "" if platform.is_hyper_v(machine) else kind
            reason = f"{log.source}: {line} (said of more than plain SEV)"
            yield Sighting(log.source, line, kind, "log", reason, hint=True)
        elif kind:
            yield _logged(log, line, kind)


def _logged(log: Log, line: str, kind: str, origin: str = "log") -> Sighting:
    return Sighting(log.source, line, kind, origin, f"{log.source}: {line}")


def _programs(machine: Machine) -> Iterator[Sighting]:
    """Yield what programs say of the CPU. systemd's "none" is worth nothing.

    Without root it cannot read SEV's state and takes that for none; on Hygon it never looks.
    """
    output = machine.output("systemd-detect-virt", "--cvm")
    source = "systemd-detect-virt --cvm"
    if output in _SYSTEMD:
        yield Sighting(source, output, _SYSTEMD[output], "systemd", f"{source} says {output}")
    elif output == "none":
        yield Sighting(source, "none, which proves nothing")
    else:
        old = "unrecognized option" in output or "unknown option" in output
        yield Sighting(source, "not known to this version" if old else "not asked")
    yield from _cpuid(machine.output("cpuid", "-1", "-r"))
    if cpu := gpu.answers(machine).get("cpu cc capabilities"):
        kind = gpu.cpu_kind(cpu) if "hypervisor" in machine.flags() else ""
        reason = f"the GPU driver sees {cpu}"
        yield Sighting("nvidia-smi conf-compute, CPU", cpu, kind, "nvidia", reason)


def _cpuid(output: str) -> Iterator[Sighting]:
    leaves = {int(leaf, 16): registers for leaf, *registers in _LEAF.findall(output)}
    if leaves.get(0x21, [])[1:] == _INTEL_TDX:
        yield Sighting("CPUID 0x21", "IntelTDX", "tdx", "cpu", "CPUID names IntelTDX")
    if isolation := leaves.get(0x4000000C):
        number = int(isolation[1], 16) & 15
        saw = f"isolation type {number}"
        kind = _HYPER_V.get(number, "")
        yield Sighting("CPUID 0x4000000c", saw, kind, "hypervisor", f"Hyper-V {saw}")
    if encryption := leaves.get(0x8000001F):
        bits = int(encryption[0], 16)
        can = [name for bit, name in ((1, "SEV"), (3, "SEV-ES"), (4, "SEV-SNP")) if bits >> bit & 1]
        yield Sighting("CPUID 0x8000001f", f"can do {', '.join(can) or 'nothing'}")


def _dstack(machine: Machine) -> Iterator[Sighting]:
    agent = platform.dstack(machine)
    if agent == "simulator":
        yield Sighting("dstack", "a simulator is named in the environment", "none")
    elif agent:
        reason = "the socket of a dstack guest agent, which runs in TDX guests mostly"
        yield Sighting("dstack", "its socket is present", "tdx", "dstack", reason, hint=True)
    else:
        yield Sighting("dstack", ABSENT)


def _host(machine: Machine) -> Iterator[Sighting]:
    for kind, path in _HOST_PLACES:
        saw = machine.look(path) if path.startswith("/dev") else machine.show(path)
        yield Sighting(path, saw, "none" if saw in (PRESENT, "Y", "1") else "", "host", kind)


def _highest(text: str, machine: Machine) -> str:
    """Return the strongest TEE that a line names. Hygon's kernels may use AMD's words."""
    words = set(text.upper().split())
    if words & {"CSV", "CSV2", "CSV3"}:
        return "csv"
    for word, kind in (("SEV-SNP", "sev-snp"), ("SEV-ES", "sev-es"), ("SEV", "sev")):
        if word in words:
            return "csv" if machine.vendor() == "HygonGenuine" else kind
    return ""
