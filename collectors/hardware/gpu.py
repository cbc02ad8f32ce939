"""GPUs and their confidential-compute state, as NVML answers, and what the answers mean.

The answers are read once into plain values; the protection follows from those alone. Numbers
and names are those of NVIDIA's NVML reference, "Confidential Computing". All of them can be
forged by the guest's root: only an attestation report is proof.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
from collections.abc import Callable, Mapping
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import Meta, Struct, field

from sitegen.collect import decode
from sitegen.model import Comparability, Parameter

#: Answer -> its title, and what its numbers mean, from 0 on.
MEANINGS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "environment": ("environment", ("unavailable", "simulation", "production")),
    "feature": ("feature", ("disabled", "enabled")),
    "devtools": ("developer tools", ("off", "on")),
    "multi_gpu": ("multi-GPU mode", ("none", "protected-pcie", "nvlink-encryption")),
    "cpu": ("CPU as the driver sees it", ("none", "sev", "tdx", "sev-snp", "sev-snp-vtom")),
    "gpus": ("GPUs by their make", ("not capable", "capable")),
    "ready": ("GPUs for work", ("not ready", "ready")),
}
#: The words under which what is on the GPU is kept from the host.
CONFIDENTIAL = frozenset({"on", "ppcie", "nvle"})

_MULTI_GPU_WORDS = {1: "ppcie", 2: "nvle"}
_NOT_SUPPORTED = "not supported"
_ERRORS = {3: _NOT_SUPPORTED, 4: "no permission", 13: "function not found"}
_MOST_GPUS, _PRODUCTION = 64, 2


class Answers(Struct, frozen=True, omit_defaults=True):
    """NVML's numbers in answer to one question, or why there are none."""

    environment: int | None = None
    feature: int | None = field(name="ccFeature", default=None)
    devtools: int | None = field(name="devToolsMode", default=None)
    multi_gpu: int | None = field(name="multiGpuMode", default=None)
    cpu: int | None = field(name="cpuCaps", default=None)
    gpus: int | None = field(name="gpusCaps", default=None)
    error: str = ""


class Gpu(Struct, frozen=True, omit_defaults=True):
    """One GPU. Its memory is None where it does not tell."""

    name: decode.Text
    memory_bytes: Annotated[int, Meta(ge=1, le=1 << 60)] | None = None


class Record(Struct, frozen=True, omit_defaults=True):
    """All that NVML answered."""

    gpus: tuple[Gpu, ...] = ()
    state: Answers = Answers()
    settings: Answers = Answers()
    capabilities: Answers = Answers()
    ready: int | None = None


class Protection(NamedTuple):
    """One word for the state of the GPUs, and the answers that it follows from.

    Only the words in CONFIDENTIAL protect anything.
    """

    word: str
    reasons: tuple[str, ...]


def read() -> Record | None:
    """Return NVML's answers; None without the library, a driver or a GPU. It changes nothing."""
    try:
        nvml: Any = importlib.import_module("pynvml")
        nvml.nvmlInit()
    except Exception:  # noqa: BLE001 - absent or broken, there is nothing to read
        return None
    try:
        gpus = _gpus(nvml)
        return _record(nvml, gpus) if gpus else None
    finally:
        with contextlib.suppress(Exception):
            nvml.nvmlShutdown()


def protection(record: Record) -> Protection:
    """Return what NVML's answers say of confidential computing, with reasons.

    GPUs in Protected PCIe answer that the feature is disabled and are confidential all the
    same: without the multi-GPU mode a disabled feature is not yet "off".
    """
    answers = _answers(record)
    errors = {name: getattr(record, name).error for name in ("state", "settings", "capabilities")}
    reasons = [f"{name}: {error}" for name, error in errors.items() if error]
    numbers = [(name, number) for name, number in answers.items() if number is not None]
    reasons += [f"{MEANINGS[name][0]}: {_meaning(name, number)}" for name, number in numbers]
    if answers["multi_gpu"] is None and answers["feature"] == 0:
        reasons.append("Protected PCIe also reads as a disabled feature")
    return Protection(_word(answers, record.state.error), tuple(reasons))


def parameters(record: Record) -> tuple[Parameter, ...]:
    """Return the answers and the protection as parameters of a run.

    None of them keeps runs apart: whether the GPU is protected is what environments differ in.
    """
    word, reasons = protection(record)
    words = {"gpu_cc": word, "gpu_cc_reasons": "; ".join(reasons)}
    words |= {f"gpu_cc_{name}": _meaning(name, n) for name, n in _answers(record).items()}
    return tuple(Parameter(name, text, Comparability.IGNORED) for name, text in words.items())


def _answers(record: Record) -> dict[str, int | None]:
    """Return the numbers: None where there is none, and -1 where two answers differ."""
    numbers: dict[str, int | None] = {}
    for name in Answers.__struct_fields__[:-1]:
        every = (record.settings, record.state, record.capabilities)
        values = {getattr(answers, name) for answers in every} - {None}
        numbers[name] = -1 if len(values) > 1 else next(iter(values), None)
    return {**numbers, "ready": record.ready}


def _meaning(name: str, number: int | None) -> str:
    if number is None:
        return "not told"
    if number < 0:
        return "contradictory"
    words = MEANINGS[name][1]
    return words[number] if number < len(words) else f"unknown value {number}"[:40]


def _word(answers: Mapping[str, int | None], error: str) -> str:
    names = ("environment", "feature", "devtools", "multi_gpu")
    environment, feature, devtools, multi = (answers[name] for name in names)
    words = (
        (any(answers[n] not in (None, *range(len(MEANINGS[n][1]))) for n in names), "unknown"),
        # This GPU or its driver cannot do it; any other error leaves it open.
        (feature is None and multi is None, "off" if error == _NOT_SUPPORTED else "unknown"),
        (devtools, "devtools"),
        (not feature and not multi, "off" if feature == 0 and multi == 0 else "unknown"),
        (environment == 1, "simulated"),
        (multi, _MULTI_GPU_WORDS.get(multi or 0, "")),
        # An enabled feature in an environment that cannot have it is a contradiction.
        (True, "on" if environment == _PRODUCTION else "unknown"),
    )
    return next(word for applies, word in words if applies)


def _gpus(nvml: Any) -> list[Gpu]:  # noqa: ANN401 - a library without types
    gpus: list[Gpu] = []
    with contextlib.suppress(nvml.NVMLError):
        for index in range(min(int(nvml.nvmlDeviceGetCount()), _MOST_GPUS)):
            with contextlib.suppress(nvml.NVMLError):
                device = nvml.nvmlDeviceGetHandleByIndex(index)
                name = nvml.nvmlDeviceGetName(device)
                name = name.decode("utf-8", "replace") if isinstance(name, bytes) else name
                gpus.append(Gpu(name))
                gpus[-1] = Gpu(name, int(nvml.nvmlDeviceGetMemoryInfo(device).total))
    return gpus


def _record(nvml: Any, gpus: list[Gpu]) -> Record:  # noqa: ANN401 - as above
    def answers(question: Callable[[], object]) -> Answers:
        try:
            return msgspec.convert(question(), Answers, from_attributes=True)
        except AttributeError:
            return Answers(error="the library does not know it")
        except nvml.NVMLError as error:
            return Answers(error=_ERRORS.get(error.value, f"NVML error {error.value}"))

    def settings() -> object:
        # The binding hands the structure on as it is and returns NVML's code without raising:
        # without a pointer and a look at the code, an error would read as zeros, and Protected
        # PCIe as off.
        answer = nvml.c_nvmlSystemConfComputeSettings_v1_t()
        if code := int(nvml.nvmlSystemGetConfComputeSettings(ctypes.byref(answer))):
            raise nvml.NVMLError(code)
        return answer

    ready = None
    with contextlib.suppress(AttributeError, nvml.NVMLError):
        ready = int(nvml.nvmlSystemGetConfComputeGpusReadyState())
    return Record(
        gpus=tuple(gpus),
        state=answers(lambda: nvml.nvmlSystemGetConfComputeState()),  # noqa: PLW0108 - may be absent
        # The only answer with the multi-GPU mode.
        settings=answers(settings),
        capabilities=answers(lambda: nvml.nvmlSystemGetConfComputeCapabilities()),  # noqa: PLW0108
        ready=ready,
    )
