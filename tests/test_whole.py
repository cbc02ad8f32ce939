"""A file that is written is there whole, or as it was."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sitegen import whole
from sitegen.errors import SitegenError


def write(file: Path, text: str, error: BaseException | None = None) -> None:
    with whole.written(file) as new:
        new.write_text(text)
        if error:
            raise error


def test_a_file_is_as_it_was_until_all_of_the_new_one_is_written(tmp_path: Path) -> None:
    file = tmp_path / "runs.pack"
    write(file, "old")
    with pytest.raises(KeyboardInterrupt):
        write(file, "ne", KeyboardInterrupt())
    assert [file.read_text(), *tmp_path.iterdir()] == ["old", file]
    write(file, "new")
    assert [file.read_text(), *tmp_path.iterdir()] == ["new", file]


def test_what_cannot_be_written_is_said_by_the_name_that_the_user_gave(tmp_path: Path) -> None:
    file = tmp_path / "absent" / "runs.pack"
    with pytest.raises(SitegenError, match=f"^{re.escape(str(file))}: cannot be written: No such"):
        write(file, "new")
