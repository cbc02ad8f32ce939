"""What other tools wrote about LLM serving, read into our metrics: one module a tool."""

from __future__ import annotations

from collectors.llm.readers import guidellm, llama_bench, nvidia, ollama, vllm
from sitegen.collect import Reader

READERS: tuple[Reader, ...] = (
    *(vllm.SERVE, vllm.LATENCY, ollama.ANSWERS, ollama.TEXT),
    *(llama_bench.BENCH, llama_bench.BATCHED, nvidia.PERF, guidellm.GUIDELLM),
)
