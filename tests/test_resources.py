"""The files that come with sitegen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sitegen import resources

if TYPE_CHECKING:
    import pytest


def test_what_is_compiled_of_a_report_s_templates_lies_with_its_builder_and_not_with_the_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # It is run when it is loaded, and a report with its cache may come from anybody.
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "mine"))
    folder = resources.compiled_templates(own=True)
    assert folder == tmp_path / "mine" / "sitegen" / "templates"
    assert folder.stat().st_mode & 0o077 == 0


def test_who_has_no_home_compiles_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", "no/place")
    assert resources.compiled_templates(own=True) is None
    assert not any(tmp_path.iterdir())
