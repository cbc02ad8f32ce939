from __future__ import annotations

import ctypes
import importlib
import json
from collections.abc import Callable, Mapping

import msgspec
import pytest

from collectors.hardware import gpu
from collectors.hardware.gpu import Answers, Record
from sitegen.collect import decode
from sitegen.model import Comparability


def record(
    environment: int = 2,
    feature: int = 0,
    devtools: int = 0,
    multi: int | None = 0,
    **more: object,
) -> Record:
    """Return the answers of a driver; without ``multi``, of one that has no settings."""
    state = {"environment": environment, "ccFeature": feature, "devToolsMode": devtools}
    settings: Mapping[str, object] = {"error": "function not found"}
    if multi is not None:
        settings = {**state, "multiGpuMode": multi}
    capabilities = {"cpuCaps": 2, "gpusCaps": 1}
    values = {"state": state, "settings": settings, "capabilities": capabilities, "ready": 1}
    return decode.convert({**values, **more}, Record)


NOT_SUPPORTED = {"error": "not supported"}
UNKNOWN_FUNCTION = {"error": "function not found"}


@pytest.mark.parametrize(
    ("answers", "word"),
    [
        (record(feature=1), "on"),
        (record(feature=1, ready=0), "on"),
        (record(feature=0), "off"),
        # The feature reads as disabled, and the GPUs are confidential.
        (record(feature=0, multi=1), "ppcie"),
        (record(feature=0, multi=2), "nvle"),
        (record(feature=1, multi=2), "nvle"),
        (record(feature=1, devtools=1), "devtools"),
        (record(feature=0, multi=1, devtools=1), "devtools"),
        (record(environment=1, feature=1), "simulated"),
        (record(environment=1, multi=1), "simulated"),
        (record(environment=1, feature=1, devtools=1), "devtools"),
        (record(environment=1, feature=0), "off"),
        (record(environment=0, feature=0), "off"),
        (record(environment=0, multi=1), "ppcie"),
        (record(environment=0, feature=1), "unknown"),
        # A driver that does not tell the multi-GPU mode.
        (record(feature=1, multi=None), "on"),
        (record(feature=0, multi=None), "unknown"),
        # Only the settings are told.
        (record(multi=1, state=UNKNOWN_FUNCTION), "ppcie"),
        (record(multi=0, state=UNKNOWN_FUNCTION), "off"),
        # Neither is told.
        (record(state=NOT_SUPPORTED, settings=NOT_SUPPORTED), "off"),
        (record(state=NOT_SUPPORTED, settings=UNKNOWN_FUNCTION), "off"),
        (record(state=UNKNOWN_FUNCTION, settings=UNKNOWN_FUNCTION), "unknown"),
        (record(state={"error": "no permission"}, settings=NOT_SUPPORTED), "unknown"),
        (Record(), "unknown"),
        # Numbers that NVML does not have.
        (record(feature=7), "unknown"),
        (record(feature=1, environment=3), "unknown"),
        (record(feature=1, devtools=2), "unknown"),
        (record(feature=0, multi=3), "unknown"),
        # Two answers that do not agree.
        (record(state={"environment": 2, "ccFeature": 1, "devToolsMode": 0}), "unknown"),
        (record(feature=1, state={"devToolsMode": 1}), "unknown"),
    ],
)
def test_the_protection_follows_from_the_answers(answers: Record, word: str) -> None:
    assert gpu.protection(answers).word == word


def test_no_answer_makes_developer_tools_or_a_simulation_confidential() -> None:
    for environment in range(4):
        for feature in range(3):
            for multi in (None, 0, 1, 2, 3):
                tools = record(environment, feature, 1, multi)
                assert gpu.protection(tools).word not in gpu.CONFIDENTIAL
                simulated = record(1, feature, 0, multi)
                assert gpu.protection(simulated).word not in gpu.CONFIDENTIAL


def test_reasons_name_each_answer() -> None:
    protection = gpu.protection(
        record(multi=1, ready=0, capabilities={"cpuCaps": 3, "gpusCaps": 1})
    )
    assert protection.reasons == (
        "environment: production",
        "feature: disabled",
        "developer tools: off",
        "multi-GPU mode: protected-pcie",
        "CPU as the driver sees it: sev-snp",
        "GPUs by their make: capable",
        "GPUs for work: not ready",
    )
    untold = gpu.protection(record(multi=None)).reasons
    assert "Protected PCIe also reads as a disabled feature" in untold


def test_answers_are_parameters_that_keep_no_runs_apart() -> None:
    parameters = gpu.parameters(record(feature=1, multi=None))
    assert {p.comparability for p in parameters} == {Comparability.IGNORED}
    words = {p.name: p.value for p in parameters}
    assert words.pop("gpu_cc_reasons").startswith("settings: function not found; environment")
    assert words == {
        "gpu_cc": "on",
        "gpu_cc_environment": "production",
        "gpu_cc_feature": "enabled",
        "gpu_cc_devtools": "off",
        "gpu_cc_multi_gpu": "not told",
        "gpu_cc_cpu": "tdx",
        "gpu_cc_gpus": "capable",
        "gpu_cc_ready": "ready",
    }


def test_numbers_and_structures_are_those_of_the_library() -> None:
    nvml = pytest.importorskip("pynvml")
    for name, number, meaning in (
        ("multi_gpu", nvml.NVML_CC_SYSTEM_MULTIGPU_PROTECTED_PCIE, "protected-pcie"),
        ("multi_gpu", nvml.NVML_CC_SYSTEM_MULTIGPU_NVLE, "nvlink-encryption"),
        ("environment", nvml.NVML_CC_SYSTEM_ENVIRONMENT_SIM, "simulation"),
        ("environment", nvml.NVML_CC_SYSTEM_ENVIRONMENT_PROD, "production"),
        ("feature", nvml.NVML_CC_SYSTEM_FEATURE_ENABLED, "enabled"),
        ("devtools", nvml.NVML_CC_SYSTEM_DEVTOOLS_MODE_ON, "on"),
        ("cpu", nvml.NVML_CC_SYSTEM_CPU_CAPS_INTEL_TDX, "tdx"),
        ("cpu", nvml.NVML_CC_SYSTEM_CPU_CAPS_AMD_SEV_SNP, "sev-snp"),
        ("cpu", nvml.NVML_CC_SYSTEM_CPU_CAPS_AMD_SNP_VTOM, "sev-snp-vtom"),
    ):
        assert gpu.MEANINGS[name][1][number] == meaning
    answer = nvml.c_nvmlSystemConfComputeSettings_v1_t()
    assert [name for name, _ in answer._fields_] == [
        *("version", "environment", "ccFeature", "devToolsMode", "multiGpuMode"),
    ]
    assert answer.version == (1 << 24 | ctypes.sizeof(answer))


def words(address: int, how_many: int) -> ctypes.Array[ctypes.c_uint]:
    return (ctypes.c_uint * how_many).from_address(address)


def answering(numbers: list[ctypes.c_uint | int], code: int = 0) -> Callable[[int], int]:
    def answer(into: int) -> int:
        words(into, len(numbers))[:] = numbers
        return code

    return answer


def driver(monkeypatch: pytest.MonkeyPatch, settings_code: int = 0, *, state_code: int = 0) -> None:
    """Put C functions with NVML's own signatures under the library's binding.

    They are eight GPUs in Protected PCIe, whose settings or state can answer with an error code.
    """
    nvml = pytest.importorskip("pynvml")

    def settings(into: int) -> int:
        if words(into, 1)[0] != (1 << 24 | 20):
            return 25  # the version of the structure is wrong
        if settings_code == 0:
            words(into, 5)[1:] = [2, 0, 0, 1]
        return settings_code

    def name(_device: int, into: int, length: int) -> int:
        ctypes.memmove(into, b"NVIDIA H100\0", min(12, length))
        return 0

    def memory(_device: int, into: int) -> int:
        ctypes.c_ulonglong.from_address(into).value = 85_520_809_984
        return 0

    number, address = ctypes.c_uint, ctypes.c_void_p
    one = ctypes.CFUNCTYPE(number, address)
    table = {
        "nvmlInitWithFlags": ctypes.CFUNCTYPE(number, number)(lambda _: 0),
        "nvmlShutdown": ctypes.CFUNCTYPE(number)(lambda: 0),
        "nvmlDeviceGetCount_v2": one(answering([8])),
        "nvmlDeviceGetHandleByIndex_v2": ctypes.CFUNCTYPE(number, number, address)(lambda *_: 0),
        "nvmlDeviceGetName": ctypes.CFUNCTYPE(number, address, address, number)(name),
        "nvmlDeviceGetMemoryInfo": ctypes.CFUNCTYPE(number, address, address)(memory),
        "nvmlSystemGetConfComputeState": one(answering([2, 0, 0], state_code)),
        "nvmlSystemGetConfComputeSettings": one(settings),
    }

    def function(name: str) -> object:
        if name in table:
            return table[name]
        raise nvml.NVMLError(nvml.NVML_ERROR_FUNCTION_NOT_FOUND)

    monkeypatch.setattr(nvml, "nvmlLib", object())
    monkeypatch.setattr(nvml, "_nvmlGetFunctionPointer", function)


def test_answers_are_read_through_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    driver(monkeypatch)
    record = gpu.read() or Record()
    assert json.loads(msgspec.json.encode(record)) == {
        "gpus": [{"name": "NVIDIA H100", "memory_bytes": 85_520_809_984}] * 8,
        "state": {"environment": 2, "ccFeature": 0, "devToolsMode": 0},
        "settings": {"environment": 2, "ccFeature": 0, "devToolsMode": 0, "multiGpuMode": 1},
        "capabilities": {"error": "function not found"},
    }
    assert gpu.protection(record).word == "ppcie"


@pytest.mark.parametrize(
    ("code", "error"),
    [(3, "not supported"), (13, "function not found"), (999, "NVML error 999")],
)
def test_an_error_of_the_settings_is_not_read_as_zeros(
    monkeypatch: pytest.MonkeyPatch, code: int, error: str
) -> None:
    driver(monkeypatch, code)
    record = gpu.read() or Record()
    assert record.settings == Answers(error=error)
    assert gpu.protection(record).word == "unknown"


def test_a_gpu_without_the_feature_is_off(monkeypatch: pytest.MonkeyPatch) -> None:
    driver(monkeypatch, 3, state_code=3)
    assert gpu.protection(gpu.read() or Record()).word == "off"


def test_without_the_library_there_is_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(importlib, "import_module", absent)
    assert gpu.read() is None
