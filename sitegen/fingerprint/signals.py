"""Every place that tells something of a TEE: where it was looked for, what was there, whose it is.

A guest's signal speaks for a TEE; a host's capability speaks against being inside one. Each can
be faked by root or by the host: only a quote is proof.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from sitegen.fingerprint import gpu, platform
from sitegen.fingerprint.places import ABSENT, PRESENT, UNREADABLE, Log, Machine
from sitegen.model import Signal


@dataclass(frozen=True, slots=True)
class Seen:
    """A signal and its weight: ``origin`` is who says it, ``hint`` that others say it too.

    Two signals of one origin are one witness: a driver makes several files.
    """

    signal: Signal
    origin: str = ""
    hint: bool = False
    reason: str = ""

    @property
    def kind(self) -> str:
        """The TEE that the signal speaks for, or nothing."""
        return "" if self.signal.means == "none" else self.signal.means


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
#: What a host has so that it can make guests: no sign of being inside one.
_HOST_PLACES: tuple[tuple[str, str], ...] = (
    ("sev", "/dev/sev"),
    ("sgx", "/dev/sgx_enclave"),
    ("sgx", "/dev/sgx/enclave"),
    ("nitro", "/dev/nitro_enclaves"),
    ("csv", "/dev/hygon_psp_config"),
)
_HOST_SWITCHES: tuple[tuple[str, str], ...] = (
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
_REGISTERS = ("eax", "ebx", "ecx", "edx")
_LEAF = r"^\s*0x{:08x} 0x00: " + " ".join(f"{one}=0x([0-9a-f]{{{{8}}}})" for one in _REGISTERS)
_INTEL_TDX = ("65746e49", "20202020", "5844546c")
_CPUID = ("cpuid", "-1", "-r")
_HOST_FLAGS = {"sev": "sev", "sev_es": "sev-es", "sev_snp": "sev-snp", "sgx": "sgx",
               "tdx_host_platform": "tdx", "csv": "csv", "csv2": "csv", "csv3": "csv"}  # fmt: skip


def signals(machine: Machine, log: Log | None) -> Iterator[Seen]:
    """Yield every signal that was looked for, those of guests first."""
    yield from _places(machine)
    yield from _cpu(machine)
    yield from _providers(machine)
    yield from _enclaves(machine)
    yield from _kernel_log(machine, log)
    yield from _programs(machine)
    yield from _dstack(machine)
    yield from _host(machine)


def _places(machine: Machine) -> Iterator[Seen]:
    for kind, path, origin in _GUEST_PLACES:
        saw = machine.look(path)
        means = kind if saw == PRESENT else ""
        yield Seen(Signal(path, saw, means), origin, reason=f"{path} exists")
    saw = machine.look(_CCEL)
    if saw == PRESENT:
        # Which TEE the event log is of stands in the table, which only root can read.
        kind = "sev-snp" if machine.start(_CCEL, 37)[36:] == b"\x01" else "tdx"
        yield Seen(
            Signal(_CCEL, saw, kind), "firmware", hint=True, reason="firmware has a CC event log"
        )
    else:
        yield Seen(Signal(_CCEL, saw))


def _cpu(machine: Machine) -> Iterator[Seen]:
    flags = machine.flags()
    source = "CPU flag tdx_guest"
    if not machine.cpuinfo():
        yield Seen(Signal(source, machine.show("/proc/cpuinfo")))
        return
    there = "tdx_guest" in flags
    yield Seen(
        Signal(source, PRESENT if there else ABSENT, "tdx" if there else ""), "cpu", reason=source
    )
    inside = "hypervisor" in flags
    for flag, kind in _HOST_FLAGS.items():
        if flag in flags:
            # A guest is shown what its processor can do: only bare metal can use it.
            saw = "present, under a hypervisor" if inside else "present, without a hypervisor"
            yield Seen(
                Signal(f"CPU flag {flag}", saw, "" if inside else "none"),
                "" if inside else "host",
                reason=kind,
            )


def _providers(machine: Machine) -> Iterator[Seen]:
    names = machine.names(_TSM)
    told = [(name, machine.text(f"{_TSM}/{name}/provider")) for name in names]
    for _, provider in told:
        if provider:
            kind = _PROVIDERS.get(provider, "")
            yield Seen(
                Signal("configfs tsm provider", provider, kind),
                "provider",
                reason=f"configfs tsm provider {provider}",
            )
    if not any(provider for _, provider in told):
        # An entry appears when somebody asks for a report: an empty folder says nothing.
        saw = machine.look(_TSM)
        yield Seen(Signal(_TSM, "present, without an entry" if saw == PRESENT else saw))


def _enclaves(machine: Machine) -> Iterator[Seen]:
    path = "/sys/firmware/uv/prot_virt_guest"
    saw = machine.show(path)
    kind = "secure-execution" if saw == "1" else ""
    yield Seen(Signal(path, saw, kind), "kernel", reason=f"{path} is 1")
    path = "/dev/attestation/attestation_type"
    saw = machine.show(path)
    reports = machine.look("/dev/attestation/my_target_info") == PRESENT
    kind = "sgx" if saw in ("dcap", "epid") or (saw == "none" and reports) else ""
    yield Seen(Signal(path, saw, kind), "gramine", reason=f"Gramine attests with {saw}")
    if machine.variables() & {"OCCLUM", "OCCLUM_VERSION"}:
        inside = machine.look("/dev/sgx") == PRESENT
        yield Seen(
            Signal(
                "/dev/sgx with Occlum's variable",
                PRESENT if inside else ABSENT,
                "sgx" if inside else "",
            ),
            "occlum",
            reason="/dev/sgx inside Occlum",
        )


def _kernel_log(machine: Machine, log: Log | None) -> Iterator[Seen]:
    if log is None:
        yield Seen(Signal("kernel log", UNREADABLE))
        return
    yield Seen(Signal("kernel log", "read whole" if log.whole else "read, its beginning is lost"))
    said = log.source
    if "tdx: Guest detected" in log.text:
        yield _logged(said, "tdx: Guest detected", "tdx")
    if "RME: Using RSI version" in log.text:
        yield _logged(said, "RME: Using RSI version", "cca")
    if found := _ISOLATION.search(log.text):
        kind = _HYPER_V.get(int(found[2], 16) & 15, "")
        yield _logged(said, found[0], kind, origin="hypervisor")
    if found := _DETECTED.search(log.text):
        yield _logged(said, found[0], _SYSTEMD.get(found[1], ""), origin="systemd")
    yield from _memory_encryption(machine, log)
    if "virt/tdx: module initialized" in log.text:
        yield Seen(Signal(said, "virt/tdx: module initialized", "none"), "host", reason="tdx")
    elif "virt/tdx: BIOS enabled" in log.text:
        yield Seen(Signal(said, "virt/tdx: BIOS enabled, module not initialized", "none"))


def _memory_encryption(machine: Machine, log: Log) -> Iterator[Seen]:
    """Yield what the lines on memory encryption say; "AMD SEV" alone is said of many things."""
    if found := _STATUS.search(log.text):
        kind = _highest(found[1], machine)
        if "vtom" in found[1].lower():
            yield Seen(
                Signal(log.source, found[0].strip(), "sev-snp"),
                "paravisor",
                hint=True,
                reason=f"{log.source}: {found[0].strip()} (under a paravisor)",
            )
        elif kind:
            yield _logged(log.source, found[0].strip(), kind)
    if found := _FEATURES.search(log.text):
        kind = "tdx" if "TDX" in found[1] else _highest(found[1], machine)
        line = found[0].strip()
        if "SME" in found[1].split() or "TME" in found[1].split():
            yield Seen(Signal(log.source, line, "none"))
        elif kind == "sev":
            # Azure's SNP guests say this, and so did some of its TDX guests.
            kind = "" if platform.is_hyper_v(machine) else kind
            reason = f"{log.source}: {line} (said of more than plain SEV)"
            yield Seen(Signal(log.source, line, kind), "log", hint=True, reason=reason)
        elif kind:
            yield _logged(log.source, line, kind)


def _programs(machine: Machine) -> Iterator[Seen]:
    """Yield what programs say of the CPU. systemd's "none" is worth nothing.

    Without root it cannot read SEV's state and takes that for none; on Hygon it never looks.
    """
    said = machine.said("systemd-detect-virt", "--cvm")
    source = "systemd-detect-virt --cvm"
    if said in _SYSTEMD:
        yield Seen(Signal(source, said, _SYSTEMD[said]), "systemd", reason=f"{source} says {said}")
    elif said == "none":
        yield Seen(Signal(source, "none, which proves nothing"))
    else:
        old = "unrecognized option" in said or "unknown option" in said
        yield Seen(Signal(source, "not known to this version" if old else "not asked"))
    leaves = machine.said(*_CPUID)
    if leaves:
        yield from _cpuid(leaves)
    found = gpu.state(machine)
    kind = gpu.cpu_kind(found) if "hypervisor" in machine.flags() else ""
    if found.cpu:
        source = "nvidia-smi conf-compute, CPU"
        yield Seen(
            Signal(source, found.cpu, kind), "nvidia", reason=f"the GPU driver sees {found.cpu}"
        )


def _cpuid(said: str) -> Iterator[Seen]:
    def leaf(number: int) -> tuple[str, ...]:
        found = re.search(_LEAF.format(number), said, re.MULTILINE)
        return found.groups() if found else ()

    if leaf(0x21)[1:] == _INTEL_TDX:
        yield Seen(Signal("CPUID 0x21", "IntelTDX", "tdx"), "cpu", reason="CPUID names IntelTDX")
    isolation = leaf(0x4000000C)
    if isolation:
        number = int(isolation[1], 16) & 15
        kind = _HYPER_V.get(number, "")
        yield Seen(
            Signal("CPUID 0x4000000c", f"isolation type {number}", kind),
            "hypervisor",
            reason=f"Hyper-V isolation type {number}",
        )
    encryption = leaf(0x8000001F)
    if encryption:
        bits = int(encryption[0], 16)
        can = [name for bit, name in ((1, "SEV"), (3, "SEV-ES"), (4, "SEV-SNP")) if bits >> bit & 1]
        yield Seen(Signal("CPUID 0x8000001f", f"can do {', '.join(can) or 'nothing'}"))


def _dstack(machine: Machine) -> Iterator[Seen]:
    found = platform.dstack(machine)
    if found == "simulator":
        yield Seen(Signal("dstack", "a simulator is named in the environment", "none"))
    elif found:
        yield Seen(
            Signal("dstack", "its socket is present", "tdx"),
            "dstack",
            hint=True,
            reason="the socket of a dstack guest agent, which runs in TDX guests mostly",
        )
    else:
        yield Seen(Signal("dstack", ABSENT))


def _host(machine: Machine) -> Iterator[Seen]:
    for kind, path in _HOST_PLACES:
        saw = machine.look(path)
        means = "none" if saw == PRESENT else ""
        yield Seen(Signal(path, saw, means), "host" if saw == PRESENT else "", reason=kind)
    for kind, path in _HOST_SWITCHES:
        saw = machine.show(path)
        on = saw in ("Y", "1")
        yield Seen(Signal(path, saw, "none" if on else ""), "host" if on else "", reason=kind)


def _logged(source: str, line: str, kind: str, origin: str = "log") -> Seen:
    return Seen(Signal(source, line, kind), origin, reason=f"{source}: {line}")


def _highest(text: str, machine: Machine) -> str:
    """Return the strongest TEE that a line names. Hygon's kernels may use AMD's words."""
    words = set(text.upper().split())
    if words & {"CSV", "CSV2", "CSV3"}:
        return "csv"
    for word, kind in (("SEV-SNP", "sev-snp"), ("SEV-ES", "sev-es"), ("SEV", "sev")):
        if word in words:
            return "csv" if machine.vendor() == "HygonGenuine" else kind
    return ""
