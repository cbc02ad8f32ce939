"""Write a synthetic report from the command line, in a process of its own."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks.synthetic import Shape, add, rich, write


def main() -> None:
    """Write the rich report after the word ``rich``, else one of so many runs.

    A number after the folder is that of further sessions, which are older: `rich DIR 12`.
    """
    if sys.argv[1:2] == ["rich"] and len(sys.argv) in (3, 4):
        more = int(sys.argv[3]) if len(sys.argv) == 4 else 0  # noqa: PLR2004 - a number too
        rich.write(Path(sys.argv[2]), range(-more, len(rich.TABLES.days)))
        return
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--runs", type=int, required=True)
    parser.add_argument("--measurements", type=int, default=40)
    parser.add_argument("--repetitions", type=int, default=1)
    parser.add_argument("--only", type=int, help="write this run only")
    options = parser.parse_args()
    shape = Shape(options.runs, options.measurements, options.repetitions)
    if options.only is None:
        write(options.folder, shape)
    else:
        add(options.folder, shape, options.only)


if __name__ == "__main__":
    main()
