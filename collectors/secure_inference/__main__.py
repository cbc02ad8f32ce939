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


class Given(ladder.Ladder, frozen=True):
    """What a command may be given."""

    rounds: int = 20
    bytes: int = 1 << 25
    file: str = ""
    weights: str = ""  # size of a random-weight model to write, unless it is there
    evidence: str = ""  # a folder of one's own
    backend: str = ""


_Command = Callable[[Given], Iterable[Line] | None]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; a SitegenError is one line on stderr and exit code 1, a Refused 3."""
    try:
        name, *words = (sys.argv[1:] if argv is None else argv) or [""]
        if name not in _COMMANDS:
            raise SitegenError(f"there is no command {name!r}")  # noqa: TRY301 - as every other
        lines = _COMMANDS[name](settings.read(Given, dict(_options(words))))
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


def _up(measure: Callable[[Terminator, Given], Iterator[Line]]) -> _Command:
    """Return a command that measures on a terminator that is up."""

    def measured(given: Given) -> Iterator[Line]:
        with channel.terminating(given.place, Host()) as up:
            yield from measure(up, given)

    return measured


def _report_data(folder: Path) -> bytes:
    shown = (folder / channel.CERTIFICATE).read_bytes()
    return evidence.report_data(issuing.key_digest(shown))


def _prepare(given: Given) -> None:
    channel.issue(given.place)
    if given.evidence:
        shown = evidence.read(Path(given.evidence))
    else:
        shown = evidence.construct(_report_data(given.place), datetime.now(UTC))
    evidence.verify(shown)
    shown.write(given.place)
    if given.weights and not Path(given.model).exists():
        weights.write(Path(given.model), given.weights)


def _sessions(up: Terminator, given: Given) -> Iterator[Line]:
    root, bind = evidence.read(given.place).root, not given.unbound
    return channel.measure_sessions(up.tls, given.place, root, given.rounds, bind=bind)


def _quote(given: Given) -> Iterator[Line]:
    data = _report_data(given.place)
    return evidence.measure_quotes(lambda: evidence.take(Host().root, data), data, given.rounds)


def digest(path: Path, algorithm: str) -> str:
    """Return the digest of a file in hex."""
    with path.open("rb", buffering=0) as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def measure_hash(path: Path, rounds: int) -> Iterator[Line]:
    """Hash a model's weights ``rounds`` times with each algorithm, in turn; yield the lines.

    A pass before the first one brings the file into the page cache, so that the hash is timed
    and not the disk.
    """
    known = [name for name in ALGORITHMS if name in hashlib.algorithms_available]
    try:
        first, size = digest(path, "sha256"), path.stat().st_size
    except OSError as error:
        raise SitegenError(f"cannot be read: {error.strerror}", where=path.name) from error
    if not size:
        raise SitegenError("is empty", where=path.name)
    yield timings.start("hash", bytes=size, sha256=first, algorithms=",".join(known))
    for _ in range(rounds):
        for algorithm in known:
            begun = time.perf_counter()
            digest(path, algorithm)
            duration = time.perf_counter() - begun
            about = {"hash": algorithm, "size": str(size)}
            yield timings.Value("measure_time", about, duration)
            yield timings.Value("hash_speed", about, size / duration)


_COMMANDS: Mapping[str, _Command] = {
    "prepare": _prepare,
    "terminate": lambda given: asyncio.run(channel.terminate(given.place, given.backend)),
    "handshake": _up(lambda up, g: channel.measure_handshakes(up.tls, g.place, g.rounds)),
    "sessions": _up(_sessions),
    "verify": lambda given: evidence.measure_verification(evidence.read(given.place), given.rounds),
    "quote": _quote,
    "throughput": _up(lambda up, g: channel.measure_throughput(up, g.place, g.bytes, g.rounds)),
    "hash": lambda given: measure_hash(Path(given.file), given.rounds),
    "step": lambda given: ladder.measure(given, Host()),
}


if __name__ == "__main__":
    sys.exit(main())
