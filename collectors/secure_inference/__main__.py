"""The commands that the steps of the collector are; each prints the lines of `timings`."""

from __future__ import annotations

import asyncio
import hashlib
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from collectors.llm import weights
from collectors.secure_inference import channel, evidence, issuing, ladder, timings
from collectors.secure_inference.channel import Terminator
from collectors.secure_inference.timings import Line
from sitegen.collect import Host, Refused, settings
from sitegen.errors import SitegenError

#: SHA-256 everywhere; SM3 is what CSV measures with.
ALGORITHMS = ("sha256", "sm3")


class Options(ladder.Ladder, frozen=True):
    """What a command may be given."""

    rounds: int = 20
    bytes: int = 1 << 25
    file: str = ""
    weights: str = ""  # size of a random-weight model to write, unless it is there
    evidence: str = ""  # a folder of one's own
    backend: str = ""


_Command = Callable[[Options], Iterable[Line] | None]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; a SitegenError is one line on stderr and exit code 1, a Refused 3."""
    try:
        name, *words = (sys.argv[1:] if argv is None else argv) or [""]
        if name not in _COMMANDS:
            raise SitegenError(f"there is no command {name!r}")  # noqa: TRY301 - as every other
        lines = _COMMANDS[name](settings.read(Options, dict(_options(words))))
        printed = "" if lines is None else timings.whole(lines)
    except KeyboardInterrupt:
        return 0
    except (SitegenError, OSError) as error:
        print(error, file=sys.stderr)  # noqa: T201 - a command
        return channel.REFUSED if isinstance(error, Refused) else 1
    print(printed, end="")  # noqa: T201 - a command
    return 0


def _options(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield options by name; one that no value follows says yes."""
    for word, following in zip(words, [*words[1:], "--"], strict=True):
        if word.startswith("--"):
            name = word.removeprefix("--").replace("-", "_")
            yield name, "yes" if following.startswith("--") else following


def _up(measure: Callable[[Terminator, Options], Iterator[Line]]) -> _Command:
    """Return a command that measures on a terminator that is up."""

    def measured(options: Options) -> Iterator[Line]:
        with channel.terminating(options.place, Host()) as up:
            yield from measure(up, options)

    return measured


def _report_data(folder: Path) -> bytes:
    certificate = (folder / channel.CERTIFICATE).read_bytes()
    return evidence.report_data(issuing.key_digest(certificate))


def _prepare(options: Options) -> None:
    channel.issue(options.place)
    if options.evidence:
        quoted = evidence.read(Path(options.evidence))
    else:
        quoted = evidence.construct(_report_data(options.place), datetime.now(UTC))
    evidence.verify(quoted)
    quoted.write(options.place)
    if options.weights and not Path(options.model).exists():
        weights.write(Path(options.model), options.weights)


def _sessions(up: Terminator, options: Options) -> Iterator[Line]:
    root, bind = evidence.read(options.place).root, not options.unbound
    return channel.measure_sessions(up.tls, options.place, root, options.rounds, bind=bind)


def _quote(options: Options) -> Iterator[Line]:
    data = _report_data(options.place)
    return evidence.measure_quotes(lambda: evidence.take(Host().root, data), data, options.rounds)


def digest(path: Path, algorithm: str) -> str:
    """Return the digest of a file in hex."""
    with path.open("rb", buffering=0) as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def measure_hash(path: Path, rounds: int) -> Iterator[Line]:
    """Hash a model's weights ``rounds`` times with each algorithm, in turn; yield the lines.

    A pass before the first one brings the file into the page cache, so that the hash is timed
    and not the disk.
    """
    algorithms = [name for name in ALGORITHMS if name in hashlib.algorithms_available]
    try:
        first, size = digest(path, "sha256"), path.stat().st_size
    except OSError as error:
        raise SitegenError(f"cannot be read: {error.strerror}", where=path.name) from error
    if not size:
        raise SitegenError("is empty", where=path.name)
    yield timings.start("hash", bytes=size, sha256=first, algorithms=",".join(algorithms))
    for _ in range(rounds):
        for algorithm in algorithms:
            begun = time.perf_counter()
            digest(path, algorithm)
            duration = time.perf_counter() - begun
            about = {"hash": algorithm, "size": str(size)}
            yield timings.Value("measure_time", about, duration)
            yield timings.Value("hash_speed", about, size / duration)


_COMMANDS: Mapping[str, _Command] = {
    "prepare": _prepare,
    "terminate": lambda options: asyncio.run(channel.terminate(options.place, options.backend)),
    "handshake": _up(lambda up, o: channel.measure_handshakes(up.tls, o.place, o.rounds)),
    "sessions": _up(_sessions),
    "verify": lambda o: evidence.measure_verification(evidence.read(o.place), o.rounds),
    "quote": _quote,
    "throughput": _up(lambda up, o: channel.measure_throughput(up, o.place, o.bytes, o.rounds)),
    "hash": lambda options: measure_hash(Path(options.file), options.rounds),
    "step": lambda options: ladder.measure(options, Host()),
}


if __name__ == "__main__":
    sys.exit(main())
