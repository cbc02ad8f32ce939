"""What a build costs, in CPU seconds: `python -m benchmarks.build --runs 1000`.

A synthetic archive is made in a temporary folder. Then, each in a process of its own: a full
build from nothing, the same on one core, the build after one more run, the build after nothing
changed, and the floor: reading and writing the same files. asv, where it is installed, gets the
same numbers.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path
from statistics import median

from msgspec import Struct
from msgspec.structs import asdict

from benchmarks import asv_peer, measure
from benchmarks.synthetic import Shape

_ROOT = Path(__file__).resolve().parents[1]
#: The budgets of a full build with 1,000 runs by rows a run: CPU seconds, bytes of memory.
_BUDGETS = {40: (2.0, 250_000_000), 200: (3.3, 300_000_000)}
_ADD_BUDGET_S, _NO_OP_BUDGET_S = 0.8, 0.3
#: Wall time of a full build with the cores that are free, as a share of that with one.
_WALL_BUDGET = 0.65
_BUDGETED_RUNS = 1000


class Figures(Struct, frozen=True):
    """What was measured. Times are CPU seconds, user and system.

    ``wall_share`` is the wall time of a full build on ``cores`` cores over that on one.
    """

    runs: int
    measurements: int
    repetitions: int
    pages: int
    full_cpu_s: float
    add_one_cpu_s: float
    no_op_cpu_s: float
    cores: int
    wall_share: float
    peak_memory_bytes: int
    output_bytes: int
    io_floor_s: float


def figures(folder: Path, shape: Shape, rounds: int, base_url: str = "") -> Figures:
    """Measure the builds of a report of ``shape`` below ``folder``.

    Each time is the median of ``rounds``; the peak is the largest. A site at ``base_url`` has
    pictures, a feed and a sitemap besides.
    """
    report = folder / "report"
    make = [
        sys.executable, "-m", "benchmarks.synthetic", str(report), "--runs", str(shape.runs),
        "--measurements", str(shape.measurements), "--repetitions", str(shape.repetitions),
    ]  # fmt: skip
    measure.run(make, _ROOT)
    if base_url:
        config = report / "sitegen.toml"
        text = config.read_text("utf-8")
        config.write_text(
            text.replace("[site]\n", f'[site]\nbase_url = "{base_url}"\n', 1), "utf-8"
        )
    full, alone, no_op, added, floor = [], [], [], [], []
    # Bytecode and file cache are warm after one build that is not counted, as on a CI machine.
    _build(report, "warm")
    for number in range(rounds):
        name = f"site-{number}"
        full.append(_build(report, name))
        no_op.append(_build(report, name))
        with measure.one_core():
            alone.append(_build(report, f"alone-{number}"))
        floor.append(_floor(folder, report, name))
    site = report / "site-0"
    files = [path for path in site.rglob("*") if path.is_file()]
    pages = sum(path.suffix == ".html" for path in files)
    output_bytes = sum(path.stat().st_size for path in files)
    for number in range(rounds):
        measure.run([*make, "--only", str(shape.runs + number)], _ROOT)
        added.append(_build(report, "site-0"))
    return Figures(
        shape.runs,
        shape.measurements,
        shape.repetitions,
        pages,
        _median(full),
        _median(added),
        _median(no_op),
        len(os.sched_getaffinity(0)),
        round(min(one.wall_s for one in full) / min(one.wall_s for one in alone), 3),
        max(usage.peak_memory_bytes for usage in full),
        output_bytes,
        _median(floor),
    )


def _build(report: Path, name: str) -> measure.Usage:
    """Build the report into ``name``, which has its own cache: a new name starts from nothing."""
    config = report / f"{name}.toml"
    if not config.exists():
        text = (report / "sitegen.toml").read_text("utf-8")
        where = f'[site]\noutput = "{name}"\ncache = ".sitegen-{name}"\n'
        config.write_text(text.replace("[site]\n", where, 1), "utf-8")
    argv = [sys.executable, "-m", "sitegen.cli", "build", "--config", str(config)]
    return measure.run(argv, report)


def _floor(folder: Path, report: Path, name: str) -> measure.Usage:
    places = [report / name, report / f".sitegen-{name}"]
    written = [path for place in places for path in sorted(place.rglob("*")) if path.is_file()]
    plan = {
        "read": [str(p) for p in sorted((report / "archive").rglob("*")) if p.is_file()],
        "write": [(str(p.relative_to(report)), p.stat().st_size) for p in written],
    }
    (folder / "floor.json").write_text(json.dumps(plan))
    target = folder / f"floor-{name}"
    argv = [sys.executable, "-m", "benchmarks.floor", str(folder / "floor.json"), str(target)]
    return measure.run(argv, _ROOT)


def _median(usages: list[measure.Usage]) -> float:
    return round(median(usage.cpu_s for usage in usages), 4)


def table(result: Figures, peer: measure.Usage | None) -> str:
    """Return the figures beside their budgets, and the peer's below."""
    rows = result.measurements * result.repetitions
    full_s, memory = _BUDGETS.get(rows, (0.0, 0)) if result.runs == _BUDGETED_RUNS else (0.0, 0)
    small = result.runs <= _BUDGETED_RUNS
    lines = [
        f"{result.runs:,} runs x {rows} rows, {result.pages:,} pages; CPU seconds, user and system",
        _line("full build from nothing", f"{result.full_cpu_s:.2f} s", full_s and f"{full_s} s"),
        _line("one run added", f"{result.add_one_cpu_s:.2f} s", small and f"{_ADD_BUDGET_S} s"),
        _line("nothing changed", f"{result.no_op_cpu_s:.2f} s", small and f"{_NO_OP_BUDGET_S} s"),
        _line(
            f"wall time on {result.cores} cores / on one",
            f"{result.wall_share:.2f}",
            _WALL_BUDGET,
        ),
        _line(
            "peak memory",
            f"{result.peak_memory_bytes / 1e6:.0f} MB",
            memory and f"{memory / 1e6:.0f} MB",
        ),
        _line("output", f"{result.output_bytes / 1e6:.1f} MB", ""),
        _line("reading and writing the same files", f"{result.io_floor_s:.2f} s", ""),
        _line("full build / that", f"{result.full_cpu_s / result.io_floor_s:.1f}x", ""),
    ]
    if peer is not None:
        lines += [
            _line("asv publish, no run pages", f"{peer.cpu_s:.2f} s", ""),
            _line("asv publish, peak memory", f"{peer.peak_memory_bytes / 1e6:.0f} MB", ""),
        ]
    else:
        lines.append("asv is not installed here: pip install -r requirements/benchmarks.txt")
    return "\n".join(lines)


def _line(name: str, figure: str, budget: object) -> str:
    return f"  {name:36}{figure:>10}{f'   budget {budget}' if budget else ''}"


def main() -> None:
    """Measure, and print a table or JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.build", description=__doc__)
    parser.add_argument("--runs", type=int, default=_BUDGETED_RUNS)
    parser.add_argument("--measurements", type=int, default=40, help="series a run")
    parser.add_argument("--repetitions", type=int, default=1, help="rows a series")
    parser.add_argument("--rounds", type=int, default=3, help="the median of so many is printed")
    parser.add_argument("--base-url", default="", help="measure a site that has an address")
    parser.add_argument("--format", choices=("table", "json"), default="table")
    options = parser.parse_args()
    shape = Shape(options.runs, options.measurements, options.repetitions)
    with tempfile.TemporaryDirectory(prefix="sitegen-bench-") as name:
        folder = Path(name)
        result = figures(folder, shape, options.rounds, options.base_url)
        if options.format == "json":
            print(json.dumps(asdict(result), indent=2))
            return
        peer = None
        if asv_peer.installed():
            (folder / "asv").mkdir()
            peer = asv_peer.publish(folder / "asv", shape)
        print(table(result, peer))


if __name__ == "__main__":
    main()
