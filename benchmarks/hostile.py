"""Whether a run can stop a report: `python -m benchmarks.hostile --runs 3000`.

So many odd runs are archived and built. They are made from a seed, of two kinds: rows of a tidy
CSV, structured, with the values that break programs (sizes with units, numbers of 400 digits, dates
of other ages, other scripts); and mutants of whole runs, of which a value of the manifest, a row or
a byte was changed and all digests made to fit. Each is brought in by the door that its kind comes
through. What is accepted is archived, beside a few sound runs, and every command goes over it. A
door that fails with anything but one line, a command that fails at all, and a run that only the
last resort set aside (`sitegen.quarantine`) are faults.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import hashlib
import io
import json
import os
import random
import sys
import tarfile
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

from msgspec import Struct, field

from benchmarks import synthetic
from sitegen import config
from sitegen.analysis import export
from sitegen.archive import Archive
from sitegen.catalogue import parameters
from sitegen.catalogue.metrics import METRICS
from sitegen.catalogue.tool import Kind
from sitegen.cli import comparison, terminal
from sitegen.errors import SitegenError
from sitegen.intake import files, tidy
from sitegen.intake.run import Order
from sitegen.model import STATISTICS
from sitegen.redact import Redactor
from sitegen.site import build

#: So many runs share an archive, beside the sound ones.
_BATCH = 60
_SOUND = 12
_LABELS = ("metal", "vm", "cvm", "gpu-cvm", "other", "a.b", "0", "index")
_NUMBERS = (
    "0", "-0.0", "1", "5", "90", "0.1", "1e3", "-1", "1e-29", "1e29", "1e30", "1e31", "1e-31",
    "1e100", "5e-324", "1e308", "nan", "inf", "-inf", "", "1_0", "١٢", "0x10", "9" * 400,
    "1" + "0" * 5000, "4.9999999999999999", "123456789.123",
)  # fmt: skip
_VALUES = (
    *_NUMBERS, "4k", "4K", "128k", "1M", "4 KiB", "2GB", "1.5k", "1.5", "4096,8192", "512-65536",
    "4k,8k", "4096,8192,16384", "100%", "-4k", "k", ",", "-", "all", "true", "none", "[]", "{}",
    "http", "https", "²", "٤", "x" * 499, "x" * 501, "<b>&\"'", "a\u202eb", "a\u00a0b", "é\u0301",
    "../..", "%s", "{}{0}", "\\", "|", "#", "=",
)  # fmt: skip
_KEYS = (
    "block_size", "size", "dictionary", "threads", "cores", "numjobs", "iodepth", "concurrency",
    "processes", "clients", "requests", "rate", "read_share", "input_tokens", "output_tokens",
    "direction", "pattern", "operation", "scheme", "keepalive", "access", "log_level", "model",
    "engine", "weights", "statement", "prover", "proof_mode", "time_scope", "step", "channel",
    "requests_per_session", "requests_per_user", "kernel", "source", "job", "rows", "depth", "x",
    "printed_as", "key with blanks", "K" * 64, "K" * 65, "<i>", "",
)  # fmt: skip
_USUAL = {
    Kind.SIZE: ("4096", "4k", "1 MiB", "2GB", "4096,8192", "512-65536", "131072", "999999999999"),
    Kind.COUNT: ("1", "2", "8", "64", "1000", "999999999999999"),
    Kind.SHARE: ("0", "0.75", "1"),
    Kind.TEXT: ("read", "rand", "http", "true", "8", "0.5", "1e3", "inf", "Llama-8B", "9" * 300),
}
_DATES = (
    "2026-01-01", "2026", "2026-03", "2026-06-15T12:00:00Z", "2000", "1999", "0001-01-01",
    "9999-12-31", "9999", "2026-02-30", "2026-01-01T24:00:00Z", "2026-01-01T00:00:00.123Z", "",
    "yesterday", "2025-12-31T23:59:59Z",
)  # fmt: skip
_PRINTED = (
    "", "5", "5.0", "1,254", "97.3 k/s", "0", "0.000", "-3 ms", "1e5", "9" * 100, "9" * 101,
    "0." + "0" * 90 + "1", "n/a", "5 %", "٥", "∞",
)  # fmt: skip
_UNITS = ("s", "B", "B/s", "1/s", "ratio", "count", "MIPS", "", "ms", "%", "x" * 40, "x" * 41, "<")


class Result(Struct):
    """What came of a trial: how often each thing happened, and every fault in words."""

    counts: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    def fault(self, work: str) -> None:
        """Keep a fault, with the last place in our own code that it came from."""
        kind, error, trace = sys.exc_info()
        places = [p for p in traceback.extract_tb(trace) if "/sitegen/" in p.filename]
        place = f"{Path(places[-1].filename).name}:{places[-1].lineno}" if places else ""
        self.faults.append(f"{work}: {kind.__name__ if kind else ''}: {str(error)[:160]} ({place})")


def trial(folder: Path, runs: int, seed: int) -> Result:
    """Archive ``runs`` odd runs and go over them with every command."""
    chance = random.Random(seed)  # noqa: S311 - examples, not secrets
    result = Result()
    with mock.patch.object(os, "fsync"):
        while (done := result.counts["archived"]) < runs:
            _batch(folder / f"{done}", min(_BATCH, runs - done), chance, result)
    return result


def _batch(folder: Path, runs: int, chance: random.Random, result: Result) -> None:
    """Archive ``runs`` odd runs, or a few more, beside sound ones."""
    synthetic.write(folder, synthetic.Shape(_SOUND, 20))
    archive = Archive(folder / "archive")
    sound = [entry.path for entry in archive.scan()]
    number, goal = 0, result.counts["archived"] + runs
    while result.counts["archived"] < goal:
        number += 1
        kind = chance.choice(("rows", "rows", "manifest", "table", "bytes"))
        result.counts["tried"] += 1
        file = folder / f"{number}.{'csv' if kind == 'rows' else 'pack'}"
        file.write_bytes(
            _rows(chance) if kind == "rows" else _mutant(chance.choice(sound), kind, number, chance)
        )
        try:
            order = Order("cvm" if kind == "rows" else "", date="2026-06-01")
            arrivals = files.read(file, order, Redactor())
            result.counts["archived"] += sum(
                not one.there for one in files.write(arrivals, archive)
            )
        except SitegenError as error:
            result.counts["refused"] += 1
            if "\n" in str(error):
                result.faults.append(f"import: more than one line: {str(error)[:80]!r}")
            continue
        except Exception:  # noqa: BLE001 - it is what is looked for
            result.fault(f"import of {kind}")
            continue
    _go_over(config.load(folder / "sitegen.toml"), result)


def _go_over(settings: config.Config, result: Result) -> None:
    """Run every command over a report; each failure is a fault."""
    archive = Archive(settings.archive)

    def built() -> None:
        summary = build.build(settings)
        for one in summary.damaged:
            last = "cannot be shown" in one.reason
            result.counts["set aside last" if last else "set aside"] += 1
            if last:
                result.faults.append(f"set aside by the last resort: {one.path}: {one.reason}")
        result.counts["built"] += summary.runs

    def compared(form: str) -> None:
        for side, base in (("cvm", "vm"), ("cvm", "metal")):
            question = comparison.Question((base, side), form=form, everything=True, limit=0.05)
            comparison.answer(settings, question)

    commands: dict[str, Callable[[], object]] = {
        "build": built,
        "build again": partial(build.build, settings),
        "export csv": partial(export.export, settings, "csv"),
        "export json": partial(export.export, settings, "json"),
        "export parquet": partial(export.export, settings, "parquet"),
        "compare text": partial(compared, "text"),
        "compare json": partial(compared, "json"),
        "list": partial(terminal.runs, settings, None, (), as_json=False),
        "fsck": lambda: list(archive.fsck()),
        "claims": partial(terminal.claims, settings, (), as_json=True),
    }
    commands |= {
        f"show {entry.run_id}": partial(terminal.run, settings, entry.run_id, as_json=False)
        for entry in archive.scan()
    }
    for name, command in commands.items():
        result.counts["commands"] += 1
        try:
            command()
        except SitegenError as error:
            if not name.startswith("show"):  # a damaged run is no run
                result.faults.append(f"{name}: {str(error)[:200]}")
        except Exception:  # noqa: BLE001 - it is what is looked for
            result.fault(name)


def _rows(chance: random.Random) -> bytes:
    """Return a tidy CSV of one to four rows, most of it usual."""
    out = io.StringIO()
    rows = csv.writer(out)
    rows.writerow(tidy.COLUMNS)
    usual = partial(_mostly, chance)
    metric = usual(sorted(METRICS), ("fio.own", "own.metric", "x", "fio.iops\n", "a" * 81))
    benchmark = usual((metric.partition(".")[0][:20] or "x",), ("runs", "fio", "a b", "x" * 33))
    label = usual(_LABELS, ("CVM", "../x", "a..b", "x" * 65))
    for number in range(chance.randint(1, 4)):
        keys = {usual(_KEYS[:-5], _KEYS[-5:]) for _ in range(chance.randint(0, 4))}
        pairs = {key: usual(_USUAL[parameters.kind(key)], _VALUES, 0.2) for key in sorted(keys)}
        definition = METRICS.get(metric)
        row = {
            "benchmark": benchmark,
            "workload": usual(("w", "read", "sweep"), ("../x", "W", "w" * 65, "")),
            "environment": label,
            "metric": metric,
            "statistic": usual(sorted(STATISTICS), ("p101", "mode")),
            "unit": usual((definition.unit if definition else "s",), _UNITS),
            "value": usual(
                ("5", "12.5", "0.001", "7e5", "1e-30", "1e30", "-1", "0", ""), _NUMBERS, 0.1
            ),
            "params": usual((json.dumps(pairs),), ("[]", "{", '{"a": 1}', "null", "[" * 2000)),
            "repetition": usual((f"{number}",), ("-5", "1e3", "9999999", "x")),
            "status": usual(("ok",), ("failed", "suspect", "fine")),
            "printed": usual(("",), _PRINTED, 0.2),
            "printed_unit": usual(("",), ("ms", "%", "x" * 30)),
            "started_at": usual(("2026-06-01T10:00:00Z",), _DATES, 0.1),
            "run_id": usual(("",), ("a", "b")),
            "source": usual(("",), ("paper", "<b>", "x" * 300)),
            "origin": usual(("",), ("other",)),
            "section": usual(("",), ("II", "..")),
        }
        rows.writerow([row.get(name, "") for name in tidy.COLUMNS])
    return out.getvalue().encode("utf-8", "surrogatepass")


def _mostly(
    chance: random.Random, usual: Sequence[str], odd: Sequence[str], share: float = 0.02
) -> str:
    return chance.choice(odd if chance.random() < share else usual)


def _mutant(run: Path, kind: str, number: int, chance: random.Random) -> bytes:
    """Return a pack of a run of which one thing was changed, under an id of its own."""
    files = {p.relative_to(run).as_posix(): p.read_bytes() for p in run.rglob("*") if p.is_file()}
    manifest = json.loads(files.pop("run.json"))
    suffix = hashlib.sha256(f"{number}{chance.random()}".encode()).hexdigest()
    manifest["id"] = run.name[:-8] + "".join("abcdefghijklmnop"[int(c, 16)] for c in suffix[:8])
    if kind == "manifest":
        for _ in range(chance.randint(1, 3)):
            _change(manifest, chance)
    elif kind == "table":
        files["measurements.parquet"] = _changed_rows(files["measurements.parquet"], chance)
    else:
        name = chance.choice(sorted(files))
        flipped = bytearray(files[name])
        for _ in range(chance.randint(1, 4)):
            flipped[chance.randrange(len(flipped))] ^= 1 << chance.randrange(8)
        files[name] = bytes(flipped)[: chance.choice((None, None, len(flipped) // 2))]
    manifest["files"] = [
        {"name": name, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        for name, data in sorted(files.items())
    ]
    files["run.json"] = json.dumps(manifest).encode("utf-8", "surrogatepass")
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in sorted(files.items()):
            member = tarfile.TarInfo(f"{run.parent.name}/{manifest['id']}/{name}")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    packed = out.getvalue()
    return gzip.compress(packed, 1) if chance.random() < 0.1 else packed  # noqa: PLR2004 - some


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:  # noqa: ANN401
    if path:
        yield path
    inner: Iterator[tuple[Any, Any]] = iter(())
    if isinstance(value, dict):
        inner = iter(value.items())
    elif isinstance(value, list):
        inner = iter(enumerate(value[:3]))
    for key, each in inner:
        yield from _places(each, (*path, key))


def _change(manifest: dict[str, Any], chance: random.Random) -> None:
    """Change one value of a manifest into another of its type, or rarely of any."""
    path = chance.choice([p for p in _places(manifest) if p not in (("id",), ("schema",))])
    place: Any = manifest
    for step in path[:-1]:
        place = place[step]
    old = place[path[-1]]
    texts = (*_VALUES, *_DATES, *_LABELS, *_KEYS, "cited", "imported", "must match", "identity",
             "quick", "tdx", "contradictory", "high", "low", "2026-06-01T00:00:00Z")  # fmt: skip
    numbers = (0, -1, 1, 1e9, 1e15, 2**52, 2**60, -(2**52), 1e-300, 1e300, 0.5, 10**30)
    if chance.random() < 0.1:  # noqa: PLR2004 - rarely
        place[path[-1]] = chance.choice((None, [], {}, "", 0, True, "x" * 300_000, [[]], 1.5))
    elif isinstance(old, bool) or old is None:
        place[path[-1]] = chance.choice((True, False, None, "text", 3))
    elif isinstance(old, int | float):
        place[path[-1]] = chance.choice(numbers)
    elif isinstance(old, str):
        place[path[-1]] = chance.choice(texts)
    elif isinstance(old, list):
        place[path[-1]] = [*old, *old] if chance.random() < 0.5 else old[:1]  # noqa: PLR2004
    elif isinstance(old, dict) and old:
        key = chance.choice(sorted(old))
        place[path[-1]] = {**old, chance.choice(texts): old[key]}


def _changed_rows(data: bytes, chance: random.Random) -> bytes:
    """Return a run's rows with a few values changed, written as any other program would."""
    import pyarrow as pa
    from pyarrow import parquet

    table = parquet.ParquetFile(pa.BufferReader(data)).read()
    columns: dict[str, list[Any]] = table.to_pydict()
    for _ in range(chance.randint(1, 6)):
        name = chance.choice(sorted(columns))
        row = chance.randrange(table.num_rows)
        columns[name][row] = _odd(name, columns[name][row], chance)
    out = pa.BufferOutputStream()
    parquet.write_table(pa.table(columns, schema=table.schema), out, compression="none")
    return bytes(out.getvalue().to_pybytes())


def _odd(name: str, old: Any, chance: random.Random) -> Any:  # noqa: ANN401 - any column's
    if name == "value":
        return chance.choice((None, 0.0, -5.0, 1e-29, 1e29, 1e300, 5e-324, float("nan"), 3.0))
    if name == "repetition":
        return chance.choice((-5, 0, 7, 999_999, 2**31 - 1))
    if name == "params":
        pairs = [dict(pair) for pair in old or ()]
        new = {"key": chance.choice(_KEYS), "value": chance.choice(_VALUES)}
        return chance.choice((None, [], [*pairs, new], [new], pairs * 12))
    choices: Mapping[str, Sequence[str | None]] = {
        "metric": (*sorted(METRICS), "own.metric"),
        "statistic": (*sorted(STATISTICS), "p101"),
        "unit": _UNITS,
        "printed": _PRINTED,
        "status": ("ok", "failed", "suspect", "fine"),
    }
    return chance.choice((*choices.get(name, ("read", "w", "W", "../x", "other")), None))


def main() -> None:
    """Run a trial from the command line and print what came of it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hostile", description=__doc__)
    parser.add_argument("--runs", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=20_261_129)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="sitegen-hostile-") as name:
        result = trial(Path(name), options.runs, options.seed)
    print(", ".join(f"{count:,} {name}" for name, count in result.counts.items()))
    print(f"{len(result.faults)} faults")
    for fault, times in Counter(result.faults).most_common():
        print(f"  {times} x {fault}")
    sys.exit(1 if result.faults else 0)


if __name__ == "__main__":
    main()
