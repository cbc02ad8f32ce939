"""Text that was made to take long takes about as long as its length."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Mapping

import pytest

from collectors.fio.readers import kbench
from collectors.hardware import bandwidth
from collectors.llm.readers import inference_perf, llama_benchy
from collectors.phoronix import systems
from collectors.zktls.readers import logs
from sitegen.collect import MOST_RUNS, RawOutput, Step, markup
from sitegen.collect.declared import trees
from sitegen.collect.installed import forms
from sitegen.errors import SitegenError
from sitegen.intake.run import readings
from sitegen.model import params

NONE: Mapping[str, str] = {}
_LOAD = params(kernel="load", threads=1, size=10**9, source="measured")
_MEAN = {"mean": 1.0, "std": 0.0, "values": []}


def _batches(number: int) -> bytes:
    """Return a report of llama-benchy in which no batch states its lengths."""
    one = {
        "concurrency": 1,
        "prompt_size": 0,
        "response_size": 0,
        "is_context_prefill_phase": False,
        "tg_throughput": _MEAN,
        "e2e_ttft": _MEAN,
    }
    every = [{**one, "context_size": place + 1} for place in range(number)]
    return json.dumps({"benchmarks": every}).encode()


_SP1 = b"2026-09-01T10:00:00.0Z  INFO prove_core: close time.busy=1s time.idle=1s\n"

READ: Mapping[str, Callable[[], object]] = {
    "kbench": lambda: kbench.READER.runs(
        b"FIO Benchmark Summary\nFor: " + b"a vs " * 39 + b" " * 400_000 + b"x\n", NONE
    ),
    "csv": lambda: trees.tree(b",".join(b"a%d" % n for n in range(40_000)) + b",a39999\n", "csv"),
    "llama-benchy": lambda: llama_benchy.REPORT.runs(_batches(2_000), NONE),
    "sp1": lambda: logs.SP1.runs(
        _SP1 + (b" INFO a" * 280 + b"\n") * 2_000, {"statement": "a", "proof_mode": "core"}
    ),
    "likwid": lambda: bandwidth.parse(
        Step("x", "memory-bandwidth", ("likwid-bench",), 60.0, _LOAD),
        RawOutput(b"", b"Running without Marker" * 10_000, 1),
    ),
}


@pytest.mark.parametrize("name", READ)
def test_reading_takes_no_longer_than_its_length(name: str) -> None:
    began = time.process_time()
    with contextlib.suppress(SitegenError):
        READ[name]()
    assert time.process_time() - began < 3  # seconds, of a machine that others use too


@pytest.mark.parametrize(
    "piece",
    [
        b"prove_core ",
        b" INFO x: close ",
        b"initializing, ",
        b'starting runner" ',
        b"[GIN] 2026/12/01 - 10:00:00 | 200 |",
        b"For: a vs ",
    ],
)
def test_whether_a_form_is_known_is_said_at_once(piece: bytes) -> None:
    data = piece * (200_000 // len(piece))
    began = time.process_time()
    assert not [one.name for _, one in forms().readers if one.knows(data)]
    assert time.process_time() - began < 3  # seconds, for all readers together


def test_a_file_makes_no_more_runs_than_may_keep_a_copy_of_it() -> None:
    one = {
        "load_summary": {"count": 1, "requested_rate": 1.0},
        "successes": {"count": 1, "latency": {}, "throughput": {"requests_per_sec": 1.0}},
        "failures": {"count": 0},
    }
    data = b"".join(json.dumps(one).encode() + b"\n" for _ in range(MOST_RUNS + 1))
    with pytest.raises(SitegenError, match=f"501 runs, and {MOST_RUNS} at most"):
        readings(inference_perf.LIFECYCLE, {"a.json": data}, NONE)


def test_no_processor_is_none_in_number() -> None:
    hardware = "Processor: 0 x Foo (4 Cores / 8 Threads)"
    system = markup.document(f"<System><Hardware>{hardware}</Hardware></System>".encode())
    found = {fact.name: fact.value for fact in systems.facts([system])}
    assert "sockets" not in found
    assert found["cpus"] == "8"
