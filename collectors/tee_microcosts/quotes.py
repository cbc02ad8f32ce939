"""Quotes: how long it takes until the TEE has signed 64 bytes of ours.

Asked as a user asks: through the kernel's configfs-tsm (its documentation:
ABI/testing/configfs-tsm-report) or the socket of dstack's guest agent. Run as a program that prints
each quote as it comes, so that a quoting service that no longer answers can be stopped.
"""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import os
import secrets
import socket
import sys
import time
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from sitegen.collect import LEFT_OUT, Host, RawOutput, Reading, Recorder, Step, decode
from sitegen.errors import SitegenError
from sitegen.model import Measurement, Parameter, params

STEP = "quote"
CONFIGFS = "/sys/kernel/config/tsm/report"
SOCKETS = ("/var/run/dstack.sock", "/run/dstack.sock", "/var/run/dstack/dstack.sock")
#: Devices of TEEs, whose own calls give what only this machine can check.
DEVICES = ("/dev/tdx_guest", "/dev/sev-guest", "/dev/csv-guest")
SIMULATOR = "DSTACK_SIMULATOR_ENDPOINT"
_METRIC = "tee-microcosts.quote_latency"
_LIMIT_S = 120.0
#: After so long no further quote is asked for: those that came are enough.
_BUDGET_S = 60.0
_ASK_S = 30.0
_REPORT_DATA = 64
_MOST, _MOST_QUOTES = 1 << 20, 10_000
#: What our entries are called, each with the token of its program.
_ENTRY = "sitegen-"
_NONE = "quotes: this machine has no TEE that gives any"

_Time = Annotated[float, Meta(gt=0, le=1e12)]


class Source(Struct, frozen=True):
    """Where quotes come from: ``kind`` is configfs-tsm or dstack."""

    kind: str
    path: str


class Quote(Struct, frozen=True):
    """A line that the program prints: who gave the quote, and its time in ns."""

    provider: decode.Text
    ns: _Time


def find(host: Host) -> Source | str:
    """Return where this machine's quotes come from, or a sentence that says why there are none."""
    if os.environ.get(SIMULATOR):
        return f"quotes: {SIMULATOR} is set, and a simulator's quotes prove nothing"
    for path in SOCKETS:
        if _is(host, path):
            return Source("dstack", str(host.root / path.lstrip("/")))
    if _is(host, CONFIGFS):
        folder = host.root / CONFIGFS.lstrip("/")
        if os.access(folder, os.W_OK):
            return Source("configfs-tsm", str(folder))
        return "quotes: configfs-tsm is there, and root alone may ask it"
    device = next((path for path in DEVICES if _is(host, path)), None)
    if device:
        return f"quotes: {device} is there and configfs-tsm is not (Linux 6.7, mounted, as root)"
    return _NONE


def step(source: Source, number: int) -> Step:
    """Return the step that takes so many quotes."""
    argv = (sys.executable, "-m", "collectors.tee_microcosts.quotes", source.kind, source.path)
    row = Measurement(STEP, _METRIC, "mean", "s", None, params(interface=source.kind))
    return Step(STEP, STEP, (*argv, str(number)), _LIMIT_S, params(interface=source.kind), (row,))


def run(step: Step, host: Host) -> RawOutput:
    """Take the quotes. The program finds this package where this process has it."""
    kind, path = step.argv[-3:-1]
    token = secrets.token_hex(8)
    environ = {"PYTHONPATH": os.pathsep.join(sys.path)}
    try:
        return host.run((*step.argv, token), timeout_s=step.timeout_s, environ=environ)
    finally:
        if kind == "configfs-tsm":
            sweep(Path(path), token)


def parse(step: Step, raw: RawOutput) -> Reading:
    """Return the time of a quote: mean, median and largest of those that came."""
    # A program that was stopped in a line has not ended it.
    lines = raw.stdout[: raw.stdout.rfind(b"\n") + 1].splitlines()[:_MOST_QUOTES]
    if not lines:
        raise SitegenError(f"no quote was given: {raw.reason}", where=step.name)
    said = [decode.document(line, Quote, step.name) for line in lines]
    if len({one.provider for one in said}) > 1:
        raise SitegenError("the quotes are from several providers", where=step.name)
    recorder = Recorder()
    asked = int(step.argv[-1])
    if len(said) < asked:
        why = f"{asked - len(said)} of {asked} quotes: {raw.reason}"
        recorder.tells(Parameter(f"{LEFT_OUT}.{STEP}", why), STEP)
    about = params(quote_provider=said[0].provider)
    series = recorder.series(STEP, params(**dict((*step.params, *about))))
    ordered = sorted(one.ns for one in said)
    series.add(_METRIC, "mean", sum(ordered) / len(ordered) * 1e-9)
    series.add(_METRIC, "p50", ordered[(len(ordered) - 1) // 2] * 1e-9)
    series.add(_METRIC, "max", ordered[-1] * 1e-9)
    series.add("tee-microcosts.operations", "value", float(len(ordered)))
    series.points("request", _METRIC, ((float(i), q.ns * 1e-9) for i, q in enumerate(said)))
    return recorder.reading()


def from_configfs(folder: Path, token: str) -> Iterator[Quote]:
    """Yield quotes through configfs-tsm; raises OSError where the TEE gives none.

    One entry of our own a quote, gone afterwards: two that share one could read each other's.
    """
    for number in itertools.count():
        entry = folder / f"{_ENTRY}{token}-{number}"
        entry.mkdir()
        try:
            provider = (entry / "provider").read_text("utf-8").strip()
            data = secrets.token_bytes(_REPORT_DATA)
            begun = time.perf_counter_ns()
            # The kernel lets nobody read it: opened for both it is refused.
            with (entry / "inblob").open("wb", buffering=0) as file:
                file.write(data)
            with (entry / "outblob").open("rb") as file:
                quote = file.read(_MOST)
            taken = float(time.perf_counter_ns() - begun)
        finally:
            entry.rmdir()
        if not quote:
            raise OSError("the quote is empty")
        yield Quote(provider, taken)


def sweep(folder: Path, token: str) -> None:
    """Remove the entries of a program that was stopped before it could."""
    for entry in folder.glob(f"{_ENTRY}{token}-*"):
        with contextlib.suppress(OSError):
            entry.rmdir()


class _Socket(http.client.HTTPConnection):
    """HTTP over a socket of this machine."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=_ASK_S)
        self.path = path

    def connect(self) -> None:
        """Connect to the socket."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(_ASK_S)
        self.sock.connect(self.path)


def from_dstack(path: str) -> Iterator[Quote]:
    """Yield quotes from dstack's guest agent; raises OSError where it gives none."""
    while True:
        body = json.dumps({"report_data": secrets.token_hex(_REPORT_DATA)})
        connection = _Socket(path)
        begun = time.perf_counter_ns()
        try:
            headers = {"Content-Type": "application/json"}
            connection.request("POST", "/GetQuote", body, headers)
            answer = connection.getresponse()
            text = answer.read(_MOST)
        except http.client.HTTPException as error:
            raise OSError(f"the agent does not speak HTTP: {error}") from error
        finally:
            connection.close()
        taken = float(time.perf_counter_ns() - begun)
        document = json.loads(text) if answer.status == HTTPStatus.OK else {}
        quote = document.get("quote") if isinstance(document, dict) else None
        if not isinstance(quote, str) or not quote:
            raise OSError(f"the agent answered {answer.status} and no quote")
        yield Quote("dstack", taken)


def main(argv: list[str]) -> int:
    """Print quotes as lines of JSON, so many or as many as the budget of time has."""
    kind, path, number, token = argv
    quotes = from_dstack(path) if kind == "dstack" else from_configfs(Path(path), token)
    until = time.monotonic() + _BUDGET_S
    try:
        for quote in itertools.islice(quotes, int(number)):
            print(msgspec.json.encode(quote).decode(), flush=True)  # noqa: T201 - a program
            if time.monotonic() > until:
                print(f"stopped after {_BUDGET_S:.0f} s", file=sys.stderr)  # noqa: T201 - as above
                break
    except (OSError, ValueError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)  # noqa: T201 - as above
        return 1
    return 0


def _is(host: Host, path: str) -> bool:
    try:
        return (host.root / path.lstrip("/")).exists()
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
