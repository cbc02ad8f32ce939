"""Quotes of a kernel and of an agent that stand in for a TEE's: files and a socket of this test."""

from __future__ import annotations

import json
import os
import socketserver
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

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
    said = quotes.from_configfs(report, 5)
    assert (said.provider, said.bytes) == ("tdx_guest", (len(QUOTE),) * 5)
    assert all(sample > 0 for sample in said.samples)
    assert list(report.iterdir()) == []


def test_an_entry_is_removed_also_when_the_quote_fails(
    report: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(FILES, "outblob", None)
    with pytest.raises(FileNotFoundError):
        quotes.from_configfs(report, 1)
    assert list(report.iterdir()) == []


def test_the_agent_is_asked_for_a_quote_of_64_bytes(agent: str) -> None:
    said = quotes.from_dstack(agent, 3)
    assert (said.provider, said.bytes) == ("dstack", (len(QUOTE),) * 3)


def test_an_agent_without_a_quote_is_an_error(agent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    answers: tuple[object, ...] = ({"quote": ""}, [], {"quote": 5})
    for answer in answers:
        monkeypatch.setattr(_Agent, "answer", answer)
        with pytest.raises(OSError, match="no quote"):
            quotes.from_dstack(agent, 1)


def test_the_program_says_on_one_line_why_there_is_no_quote(tmp_path: Path) -> None:
    step = quotes.step(Source("configfs-tsm", str(tmp_path / "nowhere")), 2)
    raw = quotes.run(step, Host())
    assert raw.exit_code == 1
    with pytest.raises(SitegenError, match="no quote was given: FileNotFoundError"):
        quotes.parse(step, raw)
    assert step.argv[0] == sys.executable


def test_mean_median_and_largest_are_those_of_the_quotes() -> None:
    said = quotes.Quotes("sev_guest", (1184,) * 4, (4e6, 1e6, 2e6, 9e6))
    raw = RawOutput(stdout=msgspec.json.encode(said))
    step = quotes.step(Source("configfs-tsm", "x"), 4)
    reading = quotes.parse(step, raw)
    rows = {m.statistic: m for m in reading.measurements if m.unit == "s"}
    assert {name: row.value for name, row in rows.items()} == pytest.approx(
        {"mean": 4e-3, "p50": 2e-3, "max": 9e-3}
    )
    assert dict(rows["mean"].params) == {"interface": "configfs-tsm", "provider": "sev_guest"}
    damage.check(reading)

    def one(data: bytes) -> tuple[Reading, ...]:
        return (quotes.parse(step, RawOutput(stdout=data)),)

    damage.bear(lambda _: True, one, raw.stdout)


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
