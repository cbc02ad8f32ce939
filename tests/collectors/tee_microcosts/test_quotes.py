"""Quotes of a kernel and of an agent that stand in for a TEE's: files and a socket of this test."""

from __future__ import annotations

import errno
import io
import json
import os
import socketserver
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import pytest

from collectors.tee_microcosts import quotes
from collectors.tee_microcosts.quotes import Source
from sitegen.collect import Host, RawOutput, Reading
from sitegen.errors import SitegenError
from tests.collectors import damage

QUOTE = bytes(range(256)) * 16
#: What the kernel puts into an entry.
FILES: dict[str, bytes | None] = {"provider": b"tdx_guest\n", "inblob": b"", "outblob": QUOTE}


@pytest.fixture
def report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder in which a new entry has a report's files, as the kernel gives them."""
    folder = tmp_path / quotes.CONFIGFS.lstrip("/")
    real, real_remove = os.mkdir, os.rmdir
    folder.mkdir(parents=True)

    def make(path: str, mode: int = 0o777) -> None:
        real(path, mode)
        if Path(path).parent == folder:
            for name, data in FILES.items():
                if data is not None:
                    (Path(path) / name).write_bytes(data)

    def remove(path: str) -> None:
        for file in Path(path).iterdir():
            file.unlink()
        real_remove(path)

    opened = io.open

    def open_as_the_kernel(file: Path, mode: str = "r", *how: Any) -> Any:  # noqa: ANN401
        if Path(file).name == "inblob" and mode[:1] + mode[-1:] != "wb":
            raise PermissionError(errno.EACCES, "Permission denied", str(file))
        return opened(file, mode, *how)

    monkeypatch.setattr(io, "open", open_as_the_kernel)
    monkeypatch.setattr(os, "mkdir", make)
    monkeypatch.setattr(os, "rmdir", remove)
    return folder


class _Agent(BaseHTTPRequestHandler):
    answer: object = {"quote": QUOTE.hex(), "event_log": "[]"}

    def address_string(self) -> str:
        return "a socket"

    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        right = self.path == "/GetQuote" and len(bytes.fromhex(asked["report_data"])) == 64
        self.send_response(200 if right else 400)
        self.end_headers()
        self.wfile.write(json.dumps(self.answer).encode())


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[str]:
    path = str(tmp_path / "dstack.sock")
    with socketserver.ThreadingUnixStreamServer(path, _Agent) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield path
        server.shutdown()
        thread.join()


def test_an_entry_of_our_own_a_quote_is_made_and_removed(report: Path) -> None:
    for said in islice(quotes.from_configfs(report, "a"), 5):
        assert said.provider == "tdx_guest"
        assert said.ns > 0
        assert list(report.iterdir()) == []


def test_an_entry_is_removed_also_when_the_quote_fails(
    report: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(FILES, "outblob", None)
    with pytest.raises(FileNotFoundError):
        next(quotes.from_configfs(report, "a"))
    assert list(report.iterdir()) == []


def test_what_a_stopped_program_left_is_removed_and_nothing_of_others(report: Path) -> None:
    ours, theirs = report / "sitegen-a-3", report / "sitegen-b-0"
    for entry in (ours, theirs):
        entry.mkdir()
    quotes.sweep(report, "a")
    assert list(report.iterdir()) == [theirs]


def test_the_agent_is_asked_for_a_quote_of_64_bytes(agent: str) -> None:
    found = list(islice(quotes.from_dstack(agent), 3))
    assert [one.provider for one in found] == ["dstack"] * 3


def test_an_agent_without_a_quote_is_an_error(agent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    answers: tuple[object, ...] = ({"quote": ""}, [], {"quote": 5})
    for answer in answers:
        monkeypatch.setattr(_Agent, "answer", answer)
        with pytest.raises(OSError, match="no quote"):
            next(quotes.from_dstack(agent))


def test_the_program_says_on_one_line_why_there_is_no_quote(tmp_path: Path) -> None:
    step = quotes.step(Source("configfs-tsm", str(tmp_path / "nowhere")), 2)
    raw = quotes.run(step, Host())
    assert raw.exit_code == 1
    with pytest.raises(SitegenError, match="no quote was given: FileNotFoundError"):
        quotes.parse(step, raw)
    assert step.argv[0] == sys.executable


def test_the_program_stops_when_its_time_is_over_and_keeps_what_came(
    agent: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(quotes, "_BUDGET_S", 0.0)
    assert quotes.main(["dstack", agent, "20", "a"]) == 0
    said = capsys.readouterr()
    assert len(said.out.splitlines()) == 1
    raw = RawOutput(stdout=said.out.encode(), stderr=said.err.encode())
    reading = quotes.parse(quotes.step(Source("dstack", agent), 20), raw)
    assert [p.value for p in reading.parameters] == ["19 of 20 quotes: stopped after 0 s"]


def printed(*times_ns: float, provider: str = "sev_guest") -> bytes:
    lines = (msgspec.json.encode(quotes.Quote(provider, ns)) for ns in times_ns)
    return b"".join(line + b"\n" for line in lines)


def test_mean_median_and_largest_are_those_of_the_quotes() -> None:
    raw = RawOutput(stdout=printed(4e6, 1e6, 2e6, 9e6))
    step = quotes.step(Source("configfs-tsm", "x"), 4)
    reading = quotes.parse(step, raw)
    rows = {m.statistic: m for m in reading.measurements if m.unit == "s"}
    assert {name: row.value for name, row in rows.items()} == pytest.approx(
        {"mean": 4e-3, "p50": 2e-3, "max": 9e-3}
    )
    about = {"interface": "configfs-tsm", "quote_provider": "sev_guest"}
    assert dict(rows["mean"].params) == about
    assert reading.parameters == ()
    damage.check(reading)

    def one(data: bytes) -> tuple[Reading, ...]:
        return (quotes.parse(step, RawOutput(stdout=data)),)

    damage.bear(lambda _: True, one, raw.stdout)


def test_a_service_that_hangs_costs_the_quotes_that_did_not_come_and_says_so() -> None:
    step = quotes.step(Source("configfs-tsm", "x"), 5)
    stopped = printed(4e6, 1e6) + b'{"provider": "sev_gu'
    raw = RawOutput(stdout=stopped, stderr=b"sitegen: killed after 120 s\n", exit_code=-9)
    reading = quotes.parse(step, raw)
    [counted] = [m.value for m in reading.measurements if m.unit == "count"]
    assert counted == 2
    [why] = reading.parameters
    assert (why.name, why.value) == (
        "left_out.quote",
        "3 of 5 quotes: sitegen: killed after 120 s",
    )


def test_quotes_of_two_providers_are_an_error() -> None:
    both = printed(1e6) + printed(1e6, provider="tdx_guest")
    with pytest.raises(SitegenError, match="several providers"):
        quotes.parse(quotes.step(Source("configfs-tsm", "x"), 2), RawOutput(stdout=both))


def test_where_quotes_come_from_is_found_or_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(quotes.SIMULATOR, raising=False)
    host = Host(tmp_path)
    assert "no TEE" in str(quotes.find(host))
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/tdx_guest").touch()
    assert "/dev/tdx_guest is there and configfs-tsm is not" in str(quotes.find(host))
    folder = tmp_path / quotes.CONFIGFS.lstrip("/")
    folder.mkdir(parents=True)
    assert quotes.find(host) == Source("configfs-tsm", str(folder))
    (tmp_path / "run").mkdir()
    (tmp_path / "run/dstack.sock").touch()
    assert quotes.find(host) == Source("dstack", str(tmp_path / "run/dstack.sock"))
    monkeypatch.setenv(quotes.SIMULATOR, "http://localhost:1")
    assert "simulator" in str(quotes.find(host))
