"""What SGLang's ``bench_serving`` appends to its file, one JSON object a line.

Keys as in python/sglang/bench_serving.py: mostly vLLM's, from which it was made. Older versions
name no model, and none counts failed requests.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from collectors.llm.readers import outputs, vllm
from sitegen.collect import Reader, Reading, decode
from sitegen.collect.decode import Number, Text, Whole

FORM = vllm.Form(
    "sglang bench_serving", "SGLang's TTFT ends at an event with text; its ITL is by event."
)
#: Backend -> the engine behind it.
ENGINES = {
    **dict.fromkeys(("sglang", "sglang-native", "sglang-oai", "sglang-oai-chat"), "sglang"),
    **dict.fromkeys(("vllm", "vllm-chat"), "vllm"),
    **dict.fromkeys(("lmdeploy", "lmdeploy-chat"), "lmdeploy"),
    "trt": "trt",
}
#: Backend -> what it asks: vLLM's words for OpenAI's interfaces, or its own.
_APIS = {
    **dict.fromkeys(("sglang", "sglang-native"), "sglang-native"),
    "sglang-oai": "openai",
    **dict.fromkeys(("sglang-oai-chat", "vllm-chat", "lmdeploy-chat"), "openai-chat"),
}
#: What both lengths may differ by and still be the one that was asked for.
_NEAR = 0.01


class _Server(msgspec.Struct, frozen=True):
    model_path: Text | None = None
    served_model_name: Text | None = None
    version: Text | None = None


class _Said(msgspec.Struct, frozen=True):
    """What a line says besides what vLLM says too."""

    completed: Whole
    backend: Text | None = None
    model: Text | None = None
    model_id: Text | None = None
    server_info: _Server | str | list[Any] | None = None
    dataset_name: Text | None = None
    random_input_len: Whole | None = None
    random_output_len: Whole | None = None
    total_input_tokens: Number | None = None
    total_output_tokens: Number | None = None
    total_throughput: Number | None = None

    def length(self, name: str) -> int | None:
        """Return the length that all requests were asked to have, if they had it."""
        asked = getattr(self, f"random_{name}_len")
        total = getattr(self, f"total_{name}_tokens")
        if not asked or not total or not (self.dataset_name or "").startswith("random"):
            return None
        return asked if abs(total / max(self.completed, 1) - asked) <= _NEAR * asked else None


def read(data: bytes, asks: outputs.Judged) -> tuple[Reading, ...]:
    """Return one run for every line."""
    return tuple(run(line, asks) for line in outputs.documents(data, dict[str, Any]))


def run(document: Mapping[str, Any], asks: outputs.Judged, form: vllm.Form = FORM) -> Reading:
    """Return the run that one result in SGLang's keys describes."""
    said = decode.convert(document, _Said)
    server = said.server_info if isinstance(said.server_info, _Server) else _Server()
    named = {
        "backend": _APIS.get(said.backend or "", said.backend),
        "model_id": said.model_id or said.model or server.model_path or server.served_model_name,
        "total_token_throughput": document.get("total_token_throughput", said.total_throughput),
    }
    lengths = {name: said.length(name.removesuffix("_tokens")) for name in vllm.LENGTHS}
    engine = ENGINES.get(said.backend or "")
    return vllm.serve({**document, **named}, asks, form, engine=engine, **lengths)


def knows(data: bytes) -> bool:
    """Tell whether ``data`` has the keys of such a line, and not those of vLLM's own file."""
    keys = (b'"completed"', b'"total_output_tokens"', b'_ttft_ms"', b'"backend"')
    one_of = (b'"mean_e2e_latency_ms"', b'"sharegpt_output_len"', b'"accept_length"')
    own = b'"num_prompts"' in data
    return not own and all(key in data for key in keys) and any(key in data for key in one_of)


_TITLE = "SGLang's bench_serving --output-file (JSON lines), with or without --output-details"
SERVING = Reader("sglang-bench-serving", _TITLE, knows, read, outputs.Judged)
