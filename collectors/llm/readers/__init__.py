"""What other tools wrote about LLM serving, read into our metrics: one module a tool."""

from __future__ import annotations

from collectors.llm.readers import (
    commands,
    console,
    guidellm,
    inference_perf,
    inferencex,
    llama_bench,
    llama_benchy,
    llmperf,
    nightly,
    nvidia,
    ollama,
    sglang,
    vllm,
)
from sitegen.collect import Bundle, Reader

READERS: tuple[Reader, ...] = (
    *(vllm.SERVE, vllm.LATENCY, vllm.THROUGHPUT, sglang.SERVING, inferencex.AGGREGATE),
    *(console.CONSOLE, nightly.RESULTS),
    *(inference_perf.LIFECYCLE, llmperf.SUMMARY, llmperf.REQUESTS),
    *(ollama.ANSWERS, ollama.TEXT),
    *(llama_bench.BENCH, llama_bench.BATCHED, llama_benchy.REPORT, nvidia.PERF, guidellm.GUIDELLM),
)
BUNDLES: tuple[Bundle, ...] = (commands.BUNDLE,)
