"""What it costs to start the command line: `python -m benchmarks.startup`."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from statistics import median

from benchmarks import measure
from benchmarks.synthetic import Shape, write

_TIMES = 7
_RUNS = 30
_BUDGET_S = 0.15
_COMMANDS = (("--help",), ("collect", "--help"), ("list",))


def figures() -> dict[str, float]:
    """Return the median CPU seconds of each command."""
    with tempfile.TemporaryDirectory(prefix="sitegen-bench-") as name:
        folder = Path(name)
        write(folder, Shape(_RUNS))
        costs = {}
        for command in _COMMANDS:
            argv = [sys.executable, "-m", "sitegen.cli", *command]
            measure.run(argv, folder)  # writes bytecode where there is none
            used = [measure.run(argv, folder).cpu_s for _ in range(_TIMES)]
            costs[" ".join(("sitegen", *command))] = round(median(used), 4)
    return costs


def main() -> None:
    """Measure, and print a table or JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.startup", description=__doc__)
    parser.add_argument("--format", choices=("table", "json"), default="table")
    options = parser.parse_args()
    costs = figures()
    if options.format == "json":
        print(json.dumps(costs, indent=2))
        return
    print(f"CPU seconds, user and system, median of {_TIMES}")
    for command, cpu_s in costs.items():
        budget = f"   budget {_BUDGET_S} s" if "help" in command else ""
        print(f"  {command:36}{cpu_s:>8.3f} s{budget}")


if __name__ == "__main__":
    main()
