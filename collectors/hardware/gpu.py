"""GPUs and their confidential-compute state, as NVML answers, and what the answers mean.

The answers are read once into plain values; the verdict is a function of those alone. Numbers
and names are those of NVIDIA's NVML reference, "Confidential Computing". All of them can be
forged by the guest's root: only an attestation report is proof.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sitegen.model import Comparability, Parameter

ENVIRONMENTS = {0: "unavailable", 1: "simulation", 2: "production"}
FEATURES = {0: "disabled", 1: "enabled"}
DEVTOOLS = {0: "off", 1: "on"}
MULTI_GPU = {0: "none", 1: "protected-pcie", 2: "nvlink-encryption"}
CPU_CAPS = {0: "none", 1: "sev", 2: "tdx", 3: "sev-snp", 4: "sev-snp-vtom"}
GPU_CAPS = {0: "not capable", 1: "capable"}
READY = {0: "not ready", 1: "ready"}

#: The verdicts under which what is on the GPU is kept from the host.
CONFIDENTIAL = frozenset({"on", "ppcie", "nvle"})

_MULTI_GPU_WORDS = {1: "ppcie", 2: "nvle"}
_STATE_FIELDS = ("environment", "ccFeature", "devToolsMode")
_NOT_SUPPORTED = "not supported"
_ERRORS = {3: _NOT_SUPPORTED, 4: "no permission", 13: "function not found"}
_MOST_GPUS = 64


@dataclass(frozen=True, slots=True)
class Verdict:
    """One word for the state of the GPUs, and the answers that it follows from.

    ``word`` is ``on``, ``off``, ``ppcie`` (Protected PCIe), ``nvle`` (NVLink encryption),
    ``devtools``, ``simulated`` or ``unknown``; only those in CONFIDENTIAL protect anything.
    """

    word: str
    reasons: tuple[str, ...]


def read() -> dict[str, object] | None:
    """Return NVML's answers, or None without the library, a driver or a GPU.

    ``gpus`` is a list of ``name`` and ``memory_bytes``; ``state``, ``settings`` and
    ``capabilities`` hold NVML's own field names and numbers, or ``error``; ``ready`` likewise.
    Nothing is changed on the GPU.
    """
    try:
        nvml: Any = importlib.import_module("pynvml")
        nvml.nvmlInit()
    except Exception:  # noqa: BLE001 - absent or broken, there is nothing to read
        return None
    try:
        gpus = _gpus(nvml)
        return {**_state(nvml), "gpus": gpus} if gpus else None
    finally:
        with contextlib.suppress(Exception):
            nvml.nvmlShutdown()


def verdict(record: Mapping[str, object]) -> Verdict:
    """Return what NVML's answers say of confidential computing, with reasons.

    GPUs in Protected PCIe answer that the feature is disabled and are confidential all the
    same: without the multi-GPU mode a disabled feature is not yet "off".
    """
    seen = _answers(record)
    reasons = [
        f"{name}: {part['error']}"
        for name in ("state", "settings", "capabilities")
        if "error" in (part := _part(record, name))
    ]
    reasons += [f"{a.title}: {a.told}" for a in seen.values() if a.value is not None]
    if seen["multi_gpu"].value is None and seen["feature"].value == 0:
        reasons.append("Protected PCIe also reads as a disabled feature")
    if any(seen[name].unusable for name in ("environment", "feature", "devtools", "multi_gpu")):
        return Verdict("unknown", tuple(reasons))
    return Verdict(_word(seen, _part(record, "state").get("error")), tuple(reasons))


def parameters(record: Mapping[str, object]) -> tuple[Parameter, ...]:
    """Return the answers and the verdict as parameters of a run.

    None of them keeps runs apart: whether the GPU is protected is what environments differ in.
    """
    found = verdict(record)
    words = {
        "gpu_cc": found.word,
        "gpu_cc_reasons": "; ".join(found.reasons),
        **{f"gpu_cc_{name}": answer.told for name, answer in _answers(record).items()},
    }
    return tuple(Parameter(name, text, Comparability.IGNORED) for name, text in words.items())


@dataclass(frozen=True, slots=True)
class _Answer:
    """One number of NVML's, None where there is none and -1 where two answers differ."""

    title: str
    names: Mapping[int, str]
    value: int | None

    @property
    def unusable(self) -> bool:
        return self.value is not None and self.value not in self.names

    @property
    def told(self) -> str:
        if self.value is None:
            return "not told"
        if self.value < 0:
            return "contradictory"
        return self.names.get(self.value, f"unknown value {self.value}"[:40])


def _answers(record: Mapping[str, object]) -> dict[str, _Answer]:
    state, settings = _part(record, "state"), _part(record, "settings")
    capabilities = _part(record, "capabilities")
    both = {name: _either(settings, state, name) for name in _STATE_FIELDS}
    return {
        "environment": _Answer("environment", ENVIRONMENTS, both["environment"]),
        "feature": _Answer("feature", FEATURES, both["ccFeature"]),
        "devtools": _Answer("developer tools", DEVTOOLS, both["devToolsMode"]),
        "multi_gpu": _Answer("multi-GPU mode", MULTI_GPU, _value(settings, "multiGpuMode")),
        "cpu": _Answer("CPU as the driver sees it", CPU_CAPS, _value(capabilities, "cpuCaps")),
        "gpus": _Answer("GPUs by their make", GPU_CAPS, _value(capabilities, "gpusCaps")),
        "ready": _Answer("GPUs for work", READY, _value(record, "ready")),
    }


def _word(seen: Mapping[str, _Answer], error: object) -> str:
    """Return the verdict on answers that are all known or absent."""
    names = ("environment", "feature", "devtools", "multi_gpu")
    environment, feature, devtools, multi = (seen[name].value for name in names)
    if feature is None and multi is None:
        # This GPU or its driver cannot do it; any other error leaves it open.
        word = "off" if error == _NOT_SUPPORTED else "unknown"
    elif devtools:
        word = "devtools"
    elif not feature and not multi:
        word = "off" if feature == 0 and multi == 0 else "unknown"
    elif environment == 1:
        word = "simulated"
    elif multi:
        word = _MULTI_GPU_WORDS[multi]
    else:
        # An enabled feature in an environment that cannot have it is a contradiction.
        word = "on" if environment == 2 else "unknown"  # noqa: PLR2004 - see ENVIRONMENTS
    return word


def _either(settings: Mapping[str, object], state: Mapping[str, object], name: str) -> int | None:
    """Return the value that both answers agree on, or that the only answer gives.

    A contradiction is -1, which is no value of NVML's.
    """
    first, second = _value(settings, name), _value(state, name)
    if first is not None and second is not None and first != second:
        return -1
    return second if first is None else first


def _part(record: Mapping[str, object], name: str) -> Mapping[str, object]:
    part = record.get(name)
    return part if isinstance(part, dict) else {}


def _value(part: Mapping[str, object], name: str) -> int | None:
    value = part.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _gpus(nvml: Any) -> list[dict[str, object]]:  # noqa: ANN401 - a library without types
    found: list[dict[str, object]] = []
    try:
        count = min(int(nvml.nvmlDeviceGetCount()), _MOST_GPUS)
    except nvml.NVMLError:
        return found
    for index in range(count):
        with contextlib.suppress(nvml.NVMLError):
            device = nvml.nvmlDeviceGetHandleByIndex(index)
            name = nvml.nvmlDeviceGetName(device)
            entry: dict[str, object] = {
                "name": name.decode("utf-8", "replace") if isinstance(name, bytes) else name
            }
            found.append(entry)
            entry["memory_bytes"] = int(nvml.nvmlDeviceGetMemoryInfo(device).total)
    return found


def _state(nvml: Any) -> dict[str, object]:  # noqa: ANN401 - a library without types
    def asked(question: str, fields: tuple[str, ...]) -> dict[str, object]:
        try:
            answer = getattr(nvml, question)()
        except (nvml.NVMLError, AttributeError) as error:
            return {"error": _error(error)}
        return {name: int(getattr(answer, name)) for name in fields}

    ready: dict[str, object]
    try:
        ready = {"ready": int(nvml.nvmlSystemGetConfComputeGpusReadyState())}
    except (nvml.NVMLError, AttributeError):
        ready = {}
    return {
        "state": asked("nvmlSystemGetConfComputeState", _STATE_FIELDS),
        "settings": _settings(nvml),
        "capabilities": asked("nvmlSystemGetConfComputeCapabilities", ("cpuCaps", "gpusCaps")),
        **ready,
    }


def _settings(nvml: Any) -> dict[str, object]:  # noqa: ANN401 - a library without types
    """Ask for the settings, the only answer with the multi-GPU mode.

    The binding hands the structure on as it is and returns NVML's code without raising: without
    a pointer and a look at the code, an error would read as zeros, and Protected PCIe as off.
    """
    try:
        answer = nvml.c_nvmlSystemConfComputeSettings_v1_t()
        code = nvml.nvmlSystemGetConfComputeSettings(ctypes.byref(answer))
    except (nvml.NVMLError, AttributeError) as error:
        return {"error": _error(error)}
    if code != 0:
        return {"error": _ERRORS.get(int(code), f"NVML error {int(code)}")}
    return {name: int(getattr(answer, name)) for name in (*_STATE_FIELDS, "multiGpuMode")}


def _error(error: Exception) -> str:
    code = getattr(error, "value", None)
    if isinstance(error, AttributeError):
        return "the library does not know it"
    return _ERRORS.get(code, f"NVML error {code}") if isinstance(code, int) else "NVML error"
