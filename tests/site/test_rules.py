"""Every rule, every fact: each one shows on a site that was built from an archive."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from msgspec.structs import replace

from sitegen.analysis.pairing import pair
from sitegen.archive import Archive, library
from sitegen.catalogue.metrics import METRICS
from sitegen.catalogue.rules import READ_CONDITIONS, RULES
from sitegen.cli import comparison
from sitegen.fingerprint import facts
from sitegen.model import (
    Comparability,
    Doubt,
    Fact,
    Fingerprint,
    Measurement,
    Parameter,
    Provenance,
    Remark,
    RemarkKind,
    Run,
    Status,
    StepRecord,
    TeeVerdict,
    params,
    run_id,
)
from sitegen.site.build import build
from tests import site_checks as check

Row = tuple[str, str, float, Mapping[str, object]]
_MARK = re.compile(r'<(?:mark|span class="m")>([^<]*)<')


def taken(benchmark: str, label: str, number: int, *rows: Row) -> Run:
    """Return a run of these (metric, statistic, value, parameters)."""
    started_at = f"2026-03-{1 + number:02}T00:00:00Z"
    return replace(
        check.storage_run(number, label),
        id=run_id(started_at, benchmark, f"{benchmark} {label} {number} {rows}".encode()),
        benchmark=benchmark,
        started_at=started_at,
        measurements=tuple(
            Measurement("w", metric, statistic, METRICS[metric].unit, value, params(**about))
            for metric, statistic, value, about in rows
        ),
        parameters=(),
        steps=(),
    )


def stepped(run: Run, *conditions: tuple[str, float], **values: str) -> Run:
    """Return a run whose rows come from one step under these conditions."""
    told = tuple(values.items())
    step = StepRecord("w", "w", 0, ("x",), run.started_at, 1.0, 0, None, conditions, told)
    return replace(run, steps=(step,))


def doubtful_runs() -> list[Run]:
    """Return runs in which each rule has something to say."""
    serving: list[Row] = [
        ("llm.ttft", "p50", 0.1, {}),
        ("llm.ttft", "mean", 0.1, {"weights": "random"}),
        ("llm.ttft", "p99", 0.2, {}),
        ("llm.requests", "value", 50.0, {}),
        ("llm.error_rate", "value", 0.2, {}),
        ("llm.offered_rate", "value", 10.0, {}),
        ("llm.request_throughput", "value", 2.0, {}),
        ("llm.missing_usage", "value", 3.0, {}),
        ("llm.client_lag", "p50", 0.5, {}),
        ("llm.cached_tokens", "value", 5000.0, {}),
        ("llm.input_tokens", "mean", 128.0, {}),
    ]
    proof: Mapping[str, object] = {"proof_system": "groth16", "prover": "groth16py"}
    caveat = Comparability.CAVEAT
    rating: list[Row] = [
        ("7z.rating", "value", 1000.0 * threads**1.1, {"operation": "total", "threads": threads})
        for threads in (1, 4)
    ]
    capped = Fingerprint((Fact("cpu_quota", "1", "x"), Fact("cpu", "B", "x")), TeeVerdict("none"))
    two = taken("7z", "host", 1, *rating)
    moving = [
        replace(
            taken("hardware", label, day, ("hardware.memory_bandwidth", "value", 1e9 * day, {})),
            fingerprint=Fingerprint((Fact("kernel", label, "x"),), TeeVerdict("none")),
        )
        for label, days in (("host", range(1, 6)), ("vm", range(10, 15)))
        for day in days
    ]
    nowhen = replace(check.storage_run(3, "host"), parameters=(Parameter("dated by", "nothing"),))
    late = taken("secure-inference", "vm", 0, ("secure-inference.e2e_latency", "mean", 1.0, {}))
    cited = check.cited_run("vm", 1.0, "1")
    return [
        *moving,
        nowhen,
        taken("secure-inference", "host", 0, ("secure-inference.e2e_latency", "mean", 1.0, {})),
        replace(late, id=late.id.replace("202603", "202605"), started_at="2026-05-01T00:00:00Z"),
        replace(
            check.storage_run(0, "host"), parameters=(Parameter("direct", "0"),), complete=False
        ),
        replace(check.storage_run(1, "vm"), preset="quick"),
        taken("fio", "host", 9, ("fio.bandwidth", "value", 20e9, {"engine": "x"})),
        taken("fio", "vm", 9, ("fio.bandwidth", "value", 1e9, {"engine": "x"})),
        replace(two, boot="one", parameters=(Parameter("tool_version", "1", caveat),)),
        replace(taken("7z", "host", 2, *rating), boot="one", fingerprint=capped,
                parameters=(Parameter("tool_version", "2", caveat),)),
        taken("7z", "vm", 3, ("7z.rating", "value", 900.0, {"cores": 8, "threads": 4})),
        cited,
        replace(
            cited, id=run_id("2025", "7z", b"doubtful"),
            measurements=(
                cited.measurements[0]._replace(workload="z", status=Status.SUSPECT),
            ),
        ),
        stepped(taken("ab", "host", 1, ("ab.latency", "p99", 0.1, {}),
                      ("ab.complete_requests", "value", 100.0, {}),
                      ("ab.client_cpu_usage", "value", 0.99, {})),
                ("psi_cpu", 0.9), steady="false"),
        taken("llm", "host", 1, *serving),
        *(
            taken("llm", label, 2, ("llm.e2e_latency", "mean", 1.0, {"model": "m"}),
                  ("llm.output_tokens", "mean", 100.0 * times, {"model": "m"}),
                  ("llm.input_tokens", "mean", 100.0 * times, {"model": "m"}),
                  ("llm.requests", "value", 100.0 * times, {"model": "m"}))
            for label, times in (("vm", 1), ("cvm", 2))
        ),
        taken("zktls", "vm", 1, ("zktls.prove_time", "value", 2.0, proof),
              ("zktls.proof_size", "value", 1000.0, proof)),
        taken("zktls", "cvm", 1, ("zktls.prove_time", "value", 2.0, proof),
              ("zktls.proof_size", "value", 3000.0, proof)),
        replace(
            taken("fio", "cvm", 11, ("fio.iops", "value", 5.0, {"engine": "y"})),
            provenance=Provenance.IMPORTED,
            fingerprint=Fingerprint((), TeeVerdict("none", ("x",), "high")),
            parameters=tuple(kind.parameter("What it saw.") for kind in Doubt),
            measurements=(
                Measurement("w", "fio.iops", "value", "1/s", 5.0, params(engine="y")),
                Measurement("w", "fio.iops", "value", "1/s", None, params(engine="y"), 1,
                            Status.FAILED),
                Measurement("w", "fio.iops", "value", "1/s", 1.0, params(engine="y"), 2,
                            Status.SUSPECT),
            ),
        ),
    ]  # fmt: skip


@pytest.fixture(scope="module")
def marks(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Return every mark on a built site, but for those of the methodology page's own list."""
    folder = tmp_path_factory.mktemp("rules")
    runs = doubtful_runs()
    settled = check.report(folder, *runs)
    archive = Archive(settled.archive)
    archive.remark_on(
        archive.scan()[0], Remark(RemarkKind.WITHDRAWN, "2026-03-02T12:00:00Z", "No.")
    )
    build(settled)
    pages = settled.output.rglob("*.html")
    return {
        mark
        for page in pages
        if page.parent.name != "methodology"
        for mark in _MARK.findall(page.read_text("utf-8"))
    }


@pytest.mark.parametrize("name", RULES)
def test_a_rule_fires_on_a_built_site(name: str, marks: set[str]) -> None:
    assert RULES[name].short in marks


@pytest.mark.parametrize("name", sorted(READ_CONDITIONS))
def test_a_condition_that_a_rule_reads_is_kept_by_the_index(name: str, tmp_path: Path) -> None:
    run = stepped(taken("ab", "host", 1, ("ab.latency", "mean", 0.1, {})), (name, 0.5))
    settled = check.report(tmp_path, run)
    for _ in range(2):  # looked into, then as the index has it
        [held] = library.of(settled).runs.values()
        assert dict(held.run.conditions[0].conditions) == {name: 0.5}


WEIGHED = [name for name in facts.WEIGHED if name != facts.TEE]


@pytest.fixture(scope="module")
def sided(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str, str]:
    """Return a page, the terminal and the compare page where one side alone has each fact."""
    folder = tmp_path_factory.mktemp("facts")
    known = tuple(Fact(name, f"value of {name}", "x") for name in WEIGHED)
    runs = [
        replace(
            check.storage_run(number, label),
            fingerprint=Fingerprint(
                known if label == "vm" else (Fact("python", "3", "x"),), TeeVerdict("none", ("x",))
            ),
        )
        for label in ("vm", "host")
        for number in range(2)
    ]
    settled = check.report(folder, *runs)
    build(settled)
    pairing = pair([held.run for held in library.of(settled).runs.values()], settled, "host", "vm")
    site = settled.output
    return (
        (site / "fio/index.html").read_text("utf-8"),
        comparison.text(pairing, comparison.rows(pairing, comparison.Question())),
        next((site / "compare").glob("data-fio*.js")).read_text("utf-8"),
    )


@pytest.mark.parametrize("name", WEIGHED)
def test_a_fact_of_one_side_alone_is_a_difference_everywhere(
    name: str, sided: tuple[str, str, str]
) -> None:
    page, terminal, compare = sided
    title = facts.title(name)
    assert re.search(
        rf"<th scope=\"row\">{re.escape(title)}</th><td>not recorded</td><td>value of {name}</td>",
        page,
    )
    assert f"  {title} (the machine): not recorded | value of {name}\n" in terminal
    assert f'["{title}","the machine","not recorded"]' in compare
    assert f'"1{name}":"value of {name}"' in compare
