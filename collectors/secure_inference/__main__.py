"""The commands that the steps of the collector are; each prints the lines of `timings`."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path

from collectors.llm import weights
from collectors.secure_inference import (
    attestation,
    certificate,
    channel,
    evidence,
    ladder,
    quote,
    weights_hash,
)
from sitegen.collect import Host, Refused
from sitegen.errors import SitegenError


def main(argv: list[str] | None = None) -> int:
    """Run one command; a SitegenError is one line on stderr and exit code 1, a Refused 3."""
    given = _arguments().parse_args(argv)
    try:
        printed = given.command(given)
    except (SitegenError, OSError) as error:
        print(error, file=sys.stderr)  # noqa: T201 - a command
        return channel.REFUSED if isinstance(error, Refused) else 1
    print(printed or "", end="")  # noqa: T201 - a command
    return 0


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m collectors.secure_inference")
    commands = parser.add_subparsers(required=True)

    def command(name: str, act: object, text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text)
        added.add_argument("--folder", type=Path, required=True, help="certificate and evidence")
        added.set_defaults(command=act)
        return added

    made = command("prepare", _prepare, "make the certificate and the evidence")
    made.add_argument("--evidence", type=Path, help="evidence of one's own instead")
    made.add_argument("--weights", help="size of a random-weight model to write")
    made.add_argument("--model", type=Path, help="where to write it, unless it is there")
    served = command("terminate", _terminate, "serve as the TLS terminator")
    served.add_argument("--backend", default="")
    timed = {
        name: command(name, act, text)
        for name, act, text in (
            ("handshake", _handshake, "time full and resumed TLS handshakes"),
            ("sessions", _sessions, "time the start of attested sessions"),
            ("verify", _verify, "time the verification of the evidence"),
            ("quote", _quote, "time the quotes of this machine's TEE"),
            ("throughput", _throughput, "measure the channel without and with TLS"),
            ("hash", _hash, "time the hashing of a file"),
        )
    }
    for added in timed.values():
        added.add_argument("--rounds", type=int, default=20)
    timed["throughput"].add_argument("--bytes", type=int, default=1 << 25)
    timed["hash"].add_argument("--file", type=Path, required=True)
    timed["sessions"].add_argument("--unbound", action="store_true")
    ladder.add_arguments(command("step", _step, "run one step of the ladder"))
    return parser


def _report_data(folder: Path) -> bytes:
    shown = (folder / certificate.CERTIFICATE).read_bytes()
    return attestation.report_data(certificate.key_digest(shown))


def _prepare(given: argparse.Namespace) -> None:
    certificate.write(given.folder)
    if given.evidence is not None:
        found = evidence.read(given.evidence)
    else:
        found = evidence.construct(_report_data(given.folder), datetime.now(UTC))
    attestation.verify(found)
    found.write(given.folder)
    if given.weights and not given.model.exists():
        weights.write(given.model, given.weights)


def _terminate(given: argparse.Namespace) -> None:
    channel.terminate(given.folder, given.backend)


def _handshake(given: argparse.Namespace) -> str:
    with channel.terminating(given.folder, Host()) as up:
        return channel.measure_handshakes(up.tls, given.folder, given.rounds)


def _sessions(given: argparse.Namespace) -> str:
    root = evidence.read(given.folder).root
    with channel.terminating(given.folder, Host()) as up:
        return channel.measure_sessions(
            up.tls, given.folder, root, given.rounds, bind=not given.unbound
        )


def _verify(given: argparse.Namespace) -> str:
    return attestation.measure(evidence.read(given.folder), given.rounds)


def _quote(given: argparse.Namespace) -> str:
    data = _report_data(given.folder)
    return quote.measure(lambda: quote.take(Host().root, data), data, given.rounds)


def _throughput(given: argparse.Namespace) -> str:
    with channel.terminating(given.folder, Host()) as up:
        return channel.measure_throughput(
            (up.plain, up.tls), given.folder, given.bytes, given.rounds
        )


def _hash(given: argparse.Namespace) -> str:
    return weights_hash.measure(given.file, given.rounds)


def _step(given: argparse.Namespace) -> str:
    return ladder.measure(ladder.chosen(given), Host())


if __name__ == "__main__":
    sys.exit(main())
