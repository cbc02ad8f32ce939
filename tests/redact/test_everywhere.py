"""Everything is planted in every source that sitegen reads, and looked for in all it writes."""

from __future__ import annotations

import base64
import gzip
import io
import json
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar
from urllib.parse import quote

import pyarrow.parquet as pq
import pytest
from msgspec import Struct, structs
from msgspec.structs import replace

from sitegen import config, fingerprint
from sitegen.archive import Archive
from sitegen.collect import Host, Missing, Plan, RawOutput, Reading, Request, Step
from sitegen.collect.execute import Collected, execute
from sitegen.collect.installed import make_plan
from sitegen.intake import files
from sitegen.intake.run import Arrival, Order
from sitegen.model import (
    Fact,
    Fingerprint,
    Measurement,
    MetricDefinition,
    Parameter,
    Run,
    Sample,
    Signal,
    TeeVerdict,
    ToolIdentity,
)
from sitegen.redact import Redactor, redacted
from sitegen.site.build import build
from tests.conftest import SHELL_COLLECTOR, Install
from tests.redact.corpus import KNOWN, SHAPED

SERVE = Path(__file__).parents[1] / "raw" / "llm" / "vllm" / "serve.json"
NAMES = [name for names in KNOWN.values() for name in names]
#: One line each: a fact or a parameter is a line.
LINES = [text for text, _ in SHAPED.values() if "\n" not in text.strip()] + NAMES
SECRETS = [s for t, s in SHAPED.values() if "\n" not in t.strip()] + NAMES
BLOCKS = [text for text, _ in SHAPED.values()] + NAMES
PARAMS = tuple(sorted((f"p{index}", text.strip()) for index, text in enumerate(LINES)))


class Leaky(Struct, frozen=True):
    """A collector whose tool prints, names and writes everything that must not get out."""

    BENCHMARK: ClassVar[str] = "leaky"
    SETTINGS: ClassVar[dict[str, str]] = {}

    def detect(self, host: Host) -> ToolIdentity | Missing:
        return host.identify("leaky on bench-node-17", sys.executable, "1.2 by janedoe")

    def plan(self, tool: ToolIdentity, request: Request) -> Plan:  # noqa: ARG002 - the protocol
        words = (*LINES, *(word for line in LINES for word in line.split(" ")))
        step = Step(
            "leak", "leak", (tool.path, "-c", "print(7)", *words), 60.0, PARAMS, context=PARAMS
        )
        parameters = tuple(Parameter(key, value) for key, value in PARAMS)
        definition = MetricDefinition("leaky.x", "of janedoe", "s", "lower", " ".join(LINES))
        return Plan((step,), parameters, (replace(step, name="warm"),), definitions=(definition,))

    def run(self, step: Step, host: Host) -> RawOutput:  # noqa: ARG002 - the protocol
        text = "\n".join(BLOCKS)
        return RawOutput(
            text.encode(),
            text.encode("utf-16"),
            files={"bench-node-17.log": json.dumps(BLOCKS).encode(), "x.csv": text.encode("utf-8")},
            values=PARAMS,
            started_at="2026-01-01T00:00:00Z",
        )

    def parse(self, step: Step, raw: RawOutput) -> Reading:  # noqa: ARG002 - the protocol
        row = Measurement("leak", "leaky.x", "value", "s", 7.0, PARAMS, printed="7 by janedoe")
        job = row._replace(workload="janedoe-randread")
        sample = Sample("leak", 0, "time", "leaky.x", 1.0, 2.0, PARAMS)
        return Reading((row, job), (sample,), (Parameter("told", " ".join(LINES)),))


READING = (
    SHELL_COLLECTOR
    + """
from sitegen.collect import Reading, Reader
from sitegen.model import Doubt, Fact, Parameter, Sample, ToolIdentity

def _read(data, settings):
    told = data.decode("utf-16").splitlines()
    params = tuple(sorted((f"p{{i}}", line) for i, line in enumerate(told) if line))
    return tuple(Reading(
        (Measurement("w", "{name}.x", "mean", "s", value, params, printed=f"{{value}} s"),),
        (Sample("w", 0, "time", "{name}.x", 1.0, 2.0, params),),
        tool=ToolIdentity("stopwatch", "2 of janedoe", "/home/janedoe/bin/x"),
        parameters=tuple(Parameter(k, v) for k, v in params),
        natives=(("{name}.x mean", "avg of janedoe"),),
        facts=tuple(Fact(k, v, "log of janedoe") for k, v in params),
        notes=tuple(told),
        doubts=((next(iter(Doubt)), "seen by janedoe", ""),),
    ) for value in (1.5, 2.5))

READERS = (
    Reader("{name}-log", "Stopwatch, log", lambda d: d.startswith(b"\\xff\\xfe"), _read, {{}}),
)
"""
)


def _collected(tmp_path: Path) -> Collected:
    work, root = tmp_path / "work", tmp_path / "machine"
    work.mkdir()
    for name in ("sys/class/dmi/id/product_name", "proc/sys/kernel/osrelease"):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(" ".join(LINES))
    (root / "proc/cpuinfo").write_text(f"processor : 0\nmodel name : {' '.join(LINES)}\n")
    (root / "proc/cmdline").write_text("idle=janedoe isolcpus=203.0.113.77 mitigations=off\n")
    redactor = Redactor(KNOWN, {str(work): "$WORK"})
    collector, host = Leaky(), Host(root)
    tool = collector.detect(host)
    assert isinstance(tool, ToolIdentity)
    request = Request("standard", 2, {}, 1, work, work / "cache", 1 << 30)
    machine = fingerprint.read(work, redactor, root=root, command=lambda _: "\n".join(LINES))
    collected = execute(
        collector, tool, make_plan(collector, tool, request), request, host=host,
        environment="here", session="s", machine=machine, redactor=redactor, seed=1,
        note="\n".join(BLOCKS),
    )  # fmt: skip
    assert collected is not None
    assert dict(collected.run.redactions) == redactor.counts()
    signals = tuple(Signal(f"/sys/{line}", line) for line in LINES)
    tee = TeeVerdict("tdx", tuple(LINES), signals=signals)
    seen = structs.replace(collected.run.fingerprint, tee=tee)
    run = redacted(replace(collected.run, fingerprint=seen), redactor.anew())
    return replace(collected, run=run)


def _imported(tmp_path: Path) -> list[Arrival]:
    log = tmp_path / "janedoe.log"
    log.write_bytes("\n".join(text.strip() for text in LINES).encode("utf-16"))
    vllm = tmp_path / "bench-node-17.json"
    document = json.loads(SERVE.read_text())
    document |= {"hostname": "bench17", "base_url": "http://llm.corp.example.com", "said": LINES}
    vllm.write_text(json.dumps(document))
    table = tmp_path / "figures.csv"
    cell = json.dumps(dict(PARAMS)).replace('"', '""')
    table.write_text(
        "benchmark,workload,environment,metric,statistic,unit,value,params,started_at,printed,source,section\n"
        f'llm,janedoe-chat,here,llm.ttft,p50,s,0.5,"{cell}",2026-01-01,0.5 janedoe,'
        "a,/home/jdoe/notes\n"
    )
    redactor = Redactor(KNOWN)
    order = Order("here", date="2026-01-01")
    arrivals, _ = files.read_all([log, vllm, table], order, redactor)
    return [arrival for arrival in arrivals if isinstance(arrival, Arrival)]


def _written(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Yield every name and every byte below ``folder``, unpacked."""
    for path in sorted(folder.rglob("*")):
        yield str(path), path.name.encode()
        if path.is_file():
            yield from _unpacked(str(path), path.read_bytes())


def _unpacked(name: str, data: bytes) -> Iterator[tuple[str, bytes]]:
    yield name, data
    if name.endswith(".gz"):
        yield from _unpacked(name[:-3], gzip.decompress(data))
    elif name.endswith(".parquet"):
        yield name, json.dumps(pq.read_table(io.BytesIO(data)).to_pylist(), default=str).encode()
    elif name.endswith(".zip"):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for each in archive.namelist():
                yield from _unpacked(each, archive.read(each))
    elif name.endswith((".tar", ".tgz")):
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            for member in tar.getmembers():
                file = tar.extractfile(member)
                yield from _unpacked(member.name, file.read() if file else b"")


def _disguised(secret: str) -> set[bytes]:
    """Return the ways in which a page or a file may write ``secret``, in lower case."""
    plain = secret.encode()
    ways = {
        plain,
        quote(secret, safe="").encode(),
        json.dumps(secret)[1:-1].encode(),
        json.dumps(json.dumps(secret))[3:-3].encode(),
        secret.replace("/", "\\/").encode(),
        secret.replace("&", "&amp;").replace('"', "&#34;").encode(),
        secret.encode("utf-16-le"),
        base64.b64encode(plain)[:-4] if len(plain) > 12 else plain,
    }
    return {way.lower() for way in ways}


@pytest.fixture
def everything(tmp_path: Path, install: Install) -> tuple[Path, list[Run]]:
    install("stopwatch", source=READING)
    home = tmp_path / "report"
    archive = Archive(home / "archive")
    collected = _collected(tmp_path)
    archive.write(collected.run, collected.raw)
    arrivals = _imported(tmp_path)
    assert list(files.write(arrivals, archive))
    (home / "sitegen.toml").write_text('[site]\ntitle = "All"\n')
    result = build(config.load(home / "sitegen.toml"))
    assert not result.damaged
    return home, [collected.run, *(arrival.run for arrival in arrivals)]


def test_nothing_planted_is_in_any_byte_that_is_written(
    everything: tuple[Path, list[Run]],
) -> None:
    home, runs = everything
    found = list(_written(home))
    assert any("site" in name and name.endswith(".html") for name, _ in found)
    text = b"\n".join(data for _, data in found).lower()
    leaked = {
        secret: [name[-60:] for name, data in found if way in data.lower()][:2]
        for secret in SECRETS
        for way in _disguised(secret)
        if way in text
    }
    assert not leaked, "\n".join(f"{k}: {v}" for k, v in leaked.items())
    assert all(run.redactions for run in runs)


def test_each_run_counts_what_was_replaced_for_it(tmp_path: Path, install: Install) -> None:
    install("stopwatch", source=READING)
    paths = []
    for number in (1, 3):
        path = tmp_path / f"{number}.log"
        path.write_bytes(("203.0.113.77 is\n" * number).encode("utf-16"))
        paths.append(path)
    order, redactor = Order("here", date="2026-01-01"), Redactor()
    [few, again], [many, _] = (files.read(path, order, redactor) for path in paths)
    few_counts, many_counts = dict(few.run.redactions), dict(many.run.redactions)
    assert few.run.redactions == again.run.redactions
    # The original, a parameter, a note and a fact; with its value a label and a sample's.
    assert many_counts["address"] == 3 * few_counts["address"]
    assert redactor.counts() == {}


def test_two_series_that_read_alike_afterwards_stay_two() -> None:
    run = files.read(SERVE, Order("here", date="2026-01-01"), Redactor())[0].run
    assert (run.redactions, redacted(run, Redactor())) == ((), run)  # it names nobody
    series = (("a", "bench17"), ("a", "bench18"), ("janedoe-x", "t"), ("_janedoe-x", "t"))
    rows = tuple(
        Measurement(load, "x.y", "value", "s", 1.0, (("host", host),)) for load, host in series
    )
    facts = Fingerprint((Fact("a", None, ""),))
    named = replace(run, measurements=rows, samples=(), fingerprint=facts)
    clean = redacted(named, Redactor(KNOWN)).measurements
    assert len({(row.workload, row.params) for row in clean}) == 4
    assert [dict(row.params)["host"] for row in clean[:2]] == ["[host]", "[host] (2)"]
