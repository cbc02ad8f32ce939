"""Quotes: how long it takes until the TEE has signed 64 bytes of ours.

Asked as a user asks: through the kernel's configfs-tsm (its documentation:
ABI/testing/configfs-tsm-report) or the socket of dstack's guest agent. Run as a program, so that a
quoting service that never answers can be stopped.
"""

from __future__ import annotations

import http.client
import json
import os
import secrets
import socket
import sys
import time
from http import HTTPStatus
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from sitegen.collect import Host, RawOutput, Reading, Recorder, Step, decode
from sitegen.errors import SitegenError
from sitegen.model import Measurement, params

STEP = "quote"
CONFIGFS = "/sys/kernel/config/tsm/report"
SOCKETS = ("/var/run/dstack.sock", "/run/dstack.sock", "/var/run/dstack/dstack.sock")
#: Devices of TEEs, whose own calls give what only this machine can check.
DEVICES = ("/dev/tdx_guest", "/dev/sev-guest", "/dev/csv-guest")
SIMULATOR = "DSTACK_SIMULATOR_ENDPOINT"
_METRIC = "tee-microcosts.quote_latency"
_LIMIT_S = 120.0
_ASK_S = 30.0
_REPORT_DATA = 64
_MOST = 1 << 20
_NONE = "quotes: this machine has no TEE that gives any"

_Time = Annotated[float, Meta(gt=0, le=1e12)]


class Source(Struct, frozen=True):
    """Where quotes come from: ``kind`` is configfs-tsm or dstack."""

    kind: str
    path: str


class Quotes(Struct, frozen=True):
    """What the program prints: who gave the quotes, their sizes, and the time of each in ns."""

    provider: decode.Text
    bytes: Annotated[tuple[Annotated[int, Meta(ge=1, le=_MOST)], ...], Meta(max_length=10_000)]
    samples: Annotated[tuple[_Time, ...], Meta(min_length=1, max_length=10_000)]


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
    return host.run(
        step.argv, timeout_s=step.timeout_s, environ={"PYTHONPATH": os.pathsep.join(sys.path)}
    )


def parse(step: Step, raw: RawOutput) -> Reading:
    """Return the time of a quote: mean, and percentiles where enough stand behind them."""
    if raw.exit_code != 0:
        raise SitegenError(f"no quote was given: {raw.reason}", where=step.name)
    said = decode.document(raw.stdout, Quotes, step.name)
    recorder = Recorder()
    about = params(quote_provider=said.provider)
    series = recorder.series(STEP, params(**dict((*step.params, *about))))
    ordered = sorted(said.samples)
    series.add(_METRIC, "mean", sum(ordered) / len(ordered) * 1e-9)
    series.add(_METRIC, "p50", ordered[(len(ordered) - 1) // 2] * 1e-9)
    series.add(_METRIC, "max", ordered[-1] * 1e-9)
    series.add("tee-microcosts.operations", "value", float(len(ordered)))
    series.points("request", _METRIC, ((float(i), t * 1e-9) for i, t in enumerate(said.samples)))
    return recorder.reading()


def from_configfs(folder: Path, number: int) -> Quotes:
    """Take quotes through configfs-tsm; raises OSError where the TEE gives none.

    One entry of our own a quote, gone afterwards: two that share one could read each other's.
    """
    samples, sizes, provider = [], [], ""
    for _ in range(number):
        entry = folder / f"sitegen-{secrets.token_hex(8)}"
        entry.mkdir()
        try:
            provider = (entry / "provider").read_text("utf-8").strip()
            data = secrets.token_bytes(_REPORT_DATA)
            begun = time.perf_counter_ns()
            with (entry / "inblob").open("r+b", buffering=0) as file:
                file.write(data)
            with (entry / "outblob").open("rb") as file:
                quote = file.read(_MOST)
            samples.append(float(time.perf_counter_ns() - begun))
            sizes.append(len(quote))
        finally:
            entry.rmdir()
    return Quotes(provider, tuple(sizes), tuple(samples))


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


def from_dstack(path: str, number: int) -> Quotes:
    """Take quotes from dstack's guest agent; raises OSError where it gives none."""
    samples, sizes = [], []
    for _ in range(number):
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
        samples.append(taken)
        sizes.append(len(quote) // 2)
    return Quotes("dstack", tuple(sizes), tuple(samples))


def main(argv: list[str]) -> int:
    """Print the times of quotes as JSON."""
    kind, path, number = argv
    try:
        if kind == "dstack":
            said = from_dstack(path, int(number))
        else:
            said = from_configfs(Path(path), int(number))
    except (OSError, ValueError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)  # noqa: T201 - a program
        return 1
    print(msgspec.json.encode(said).decode())  # noqa: T201 - as above
    return 0


def _is(host: Host, path: str) -> bool:
    try:
        return (host.root / path.lstrip("/")).exists()
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
