"""What a terminal shows in as many columns as it has, and what a pipe gets: all."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

from sitegen.archive import Archive
from sitegen.model import Remark, RemarkKind
from tests import site_checks as check


def shown(folder: Path, columns: int, *words: str) -> list[str]:
    """Return the lines that a command shows on a terminal of so many columns."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "sitegen.cli", *words, "--config", f"{folder}/sitegen.toml"]
    environ = {**os.environ, "COLUMNS": f"{columns}"}
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environ)
    os.close(theirs)
    data = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # Linux says so that the other end is closed
            break
        if not part:
            break
        data += part
    os.close(ours)
    assert process.wait() == 0
    return data.decode().replace("\r", "").splitlines()


def test_tables_fit_eighty_columns_and_a_pipe_gets_all(tmp_path: Path) -> None:
    label = "cvm-with-a-long-name"
    runs = [check.storage_run(9 * n, name) for name in ("vm", label) for n in range(3)]
    check.report(tmp_path, *runs)
    store, why = Archive(tmp_path / "archive"), "The disk was shared with another guest. " * 3
    said = Remark(RemarkKind.WITHDRAWN, "2026-11-27T00:00:00Z", why.strip())
    store.remark_on(store.find(runs[0].id), said)
    for words in (("compare", label, "vm"), ("list",), ("show", runs[1].id)):
        narrow = shown(tmp_path, 80, *words)
        assert max(map(len, narrow)) <= 80
        wide = shown(tmp_path, 300, *words)
        assert max(map(len, wide)) > 80
        piped = subprocess.run(
            [sys.executable, "-m", "sitegen.cli", *words, "--config", tmp_path / "sitegen.toml"],
            capture_output=True, check=True, text=True, env={**os.environ, "COLUMNS": "80"},
        )  # fmt: skip
        assert piped.stdout.splitlines() == wide
        if words[0] != "list":  # which leaves columns out
            heads = {"Series", "Beside", "it", "params"}
            assert set(" ".join(wide).split()) - set(" ".join(narrow).split()) <= heads
