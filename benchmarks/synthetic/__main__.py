"""Write a synthetic report from the command line, in a process of its own."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks.synthetic import Shape, add, rich, write


def main() -> None:
    """Write the rich report after the word ``rich``, else one of so many runs."""
    if sys.argv[1:2] == ["rich"] and len(sys.argv) == 3:  # noqa: PLR2004 - the word and a folder
        rich.write(Path(sys.argv[2]))
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
