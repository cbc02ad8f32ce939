"""The least that a build can cost: read the same files, write as many files of the same sizes.

A process of its own, started as the build is; reads the list as JSON: files to read, and
(path, bytes) pairs to write below a new folder.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path


def main() -> None:
    """Read and write what the plan in ``argv[1]`` says, below the folder ``argv[2]``."""
    plan = json.loads(Path(sys.argv[1]).read_bytes())
    for path in plan["read"]:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - a Path costs as much as the file
            file.read()
    content = memoryview(bytes(max((size for _, size in plan["write"]), default=0)))
    folders: set[str] = set()
    for path, size in plan["write"]:
        full = f"{sys.argv[2]}/{path}"
        parent = full.rpartition("/")[0]
        if parent not in folders:
            os.makedirs(parent, exist_ok=True)  # noqa: PTH103 - likewise
            folders.add(parent)
        with open(full, "xb", buffering=0) as file:  # noqa: PTH123 - likewise
            file.write(content[:size])


if __name__ == "__main__":
    main()
