"""Damaged runs, and runs that everything fails on: named, and the rest is made."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import pytest
from msgspec.structs import replace

from sitegen import config
from sitegen.analysis import compare, export, selection
from sitegen.archive import Archive
from sitegen.archive.quarantine import without_failing
from sitegen.model import MetricDefinition, Run, Source
from sitegen.site.build import build
from tests import site_checks as check

# Damaged runs


def test_damaged_runs_are_named_and_the_rest_builds(tmp_path: Path) -> None:
    settled = check.report(
        tmp_path, *(check.storage_run(number) for number in range(6)), toml=check.ALONE
    )
    folders = sorted((tmp_path / "archive/cvm").iterdir())
    manifest = folders[0] / "run.json"
    manifest.write_bytes(manifest.read_bytes()[:200])
    parquet = folders[1] / "measurements.parquet"
    parquet.write_bytes(parquet.read_bytes()[:-10] + b"0123456789")
    (folders[2] / "measurements.parquet").unlink()
    newer = folders[3] / "run.json"
    newer.write_text(newer.read_text().replace('"schema": 2', '"schema": 99'))
    (folders[4] / "run.json").unlink()
    result = build(settled)
    assert result.runs == 1
    assert {Path(one.path).name for one in result.damaged} == {f.name for f in folders[:5]}
    data = check.text_of(check.parse((tmp_path / "site/data/index.html").read_text()))
    for folder, reason in zip(
        folders[:5],
        ("not JSON", "digest", "missing", "newer than this sitegen", "run.json: is missing"),
        strict=True,
    ):
        assert folder.name in data
        [said] = [one.reason for one in result.damaged if folder.name in one.path]
        assert reason in said
    assert build(settled).damaged == result.damaged
    assert check.dead_links(tmp_path / "site") == []


def test_a_package_that_is_not_installed_is_no_damage_of_a_run() -> None:
    def needs_it(runs: Sequence[object], _: object = ()) -> None:
        if runs:
            raise ModuleNotFoundError("No module named 'pyarrow'", name="pyarrow")

    with pytest.raises(ModuleNotFoundError, match="pyarrow"):
        without_failing([check.storage_run(0)], needs_it, needs_it)


def damage(value: object) -> object:
    """Return a value of another JSON type."""
    return 7 if isinstance(value, str) else "seven"


def places(value: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Return the way to every value of a manifest, the first of a list only."""
    found = [path] if path else []
    if isinstance(value, dict):
        for key in value:
            found += places(value[key], (*path, key))
    elif isinstance(value, list) and value:
        found += places(value[0], (*path, 0))
    return found


def test_a_manifest_with_a_wrong_type_anywhere_never_stops_the_build(tmp_path: Path) -> None:
    run = replace(
        check.storage_run(0),
        source=Source("s", "t", "a", "e", "example.org", "II", "o"),
        definitions=(MetricDefinition("x.y", "Y", "s", "lower", "A definition."),),
        redactions=(("host name", 2),),
    )
    folder = tmp_path / "archive/cvm"
    settled = check.report(tmp_path, run, check.storage_run(1), toml=check.ALONE)
    whole = json.loads((folder / run.id / "run.json").read_bytes())
    originals = places(whole)
    suffixes = "abcdefghijklmnopqrstuvwxyz234567"
    for number, path in enumerate(originals):
        name = run.id[:-2] + suffixes[number // 32] + suffixes[number % 32]
        other = json.loads(json.dumps(whole))
        other["id"] = name
        place = other
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = damage(place[path[-1]])
        shutil.copytree(folder / run.id, folder / name)
        (folder / name / "run.json").write_text(json.dumps(other))
    result = build(settled)
    assert result.runs + len(result.damaged) == len(originals) + 2
    assert result.runs >= 2
    assert check.dead_links(tmp_path / "site") == []


@pytest.mark.parametrize("when", ["", "yesterday", "2026-13-40T99:00:00Z", "20", "2026-03", "2026"])
def test_any_date_that_a_manifest_may_hold_builds(tmp_path: Path, when: str) -> None:
    check.write_foreign(tmp_path, replace(check.storage_run(0), started_at=when))
    result = check.built(tmp_path, check.storage_run(1), toml=check.ALONE)
    assert result.runs + len(result.damaged) == 2


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), -float("inf"), 1e308, -1.0, 0.0, 5e-324]
)
def test_any_number_that_a_row_may_hold_builds(tmp_path: Path, value: float) -> None:
    run = check.storage_run(0)
    rows = [row._replace(value=value) for row in run.measurements]
    check.write_foreign(tmp_path, check.with_rows(run, *rows))
    toml = check.TOML.replace('vm = "vm", metal = "host"', 'vm = "vm"')
    toml = toml.replace('baselines = { metal = "host" }\n', "")
    result = check.built(tmp_path, check.storage_run(0, "vm"), toml=toml)
    assert result.runs + len(result.damaged) == 2
    for page in check.pages(tmp_path / "site"):
        assert check.faults(tmp_path / "site", page) == [], page


# Damage after a build


def damaged_somehow(path: Path, how: str) -> None:
    """Damage a file, which keeps its size where that is the point."""
    data = bytearray(path.read_bytes())
    if how == "gone":
        path.unlink()
    elif how == "cut":
        path.write_bytes(data[: len(data) // 2])
    elif how == "a pipe":
        path.unlink()
        os.mkfifo(path)
    else:
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    if how == "flipped, its time put back":
        os.utime(path, ns=(0, 0))


@pytest.mark.parametrize("how", ["flipped", "flipped, its time put back", "cut", "gone", "a pipe"])
@pytest.mark.parametrize("part", ["measurements.parquet", "raw/{}-0.out.gz", "run.json"])
def test_damage_after_a_build_is_noticed_and_named_by_every_command(
    tmp_path: Path, part: str, how: str
) -> None:
    runs = check.three_a_side()
    settled = check.report(tmp_path, *runs)
    build(settled)
    export.export(settled, "csv")
    lost = runs[0]
    name = part.format(lost.steps[0].name)
    place = Archive(tmp_path / "archive").path(lost) / name
    damaged_somehow(place, how)
    if part == "run.json" and how.startswith("flipped"):
        place.write_bytes(place.read_bytes().replace(b'"note"', b'"nose"'))
    result = build(settled)
    assert result.runs == len(runs) - 1
    named = [one.path for one in export.export(settled, "csv").damaged]
    assert named == [f"{lost.environment}/{lost.id}"]
    assert [one.path for one in result.damaged] == named
    assert lost.id.encode() not in export.export(settled, "csv").data


# What gets past every door


def crashing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let analysis fail on runs with a certain note, as a bug would."""
    real = selection.select

    def select(
        runs: Sequence[Run], settings: config.Config, newest: datetime | None = None
    ) -> object:
        if any("boom" in run.preset for run in runs):
            raise ZeroDivisionError("a bug")
        return real(runs, settings, newest)

    monkeypatch.setattr(compare, "select", select)


def test_a_run_that_everything_fails_on_is_set_aside_and_the_rest_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = check.three_a_side()
    odd = [replace(check.storage_run(n, "vm"), preset="boom") for n in (70, 71)]
    settled = check.report(tmp_path / "odd", *runs, *odd)
    check.built(tmp_path / "whole", *runs)
    crashing(monkeypatch)
    result = build(settled)
    assert {one.path for one in result.damaged} == {f"vm/{run.id}" for run in odd}
    assert {one.reason for one in result.damaged} == {"cannot be shown: ZeroDivisionError: a bug"}
    assert check.differing(
        check.tree(tmp_path / "odd/site"), check.tree(tmp_path / "whole/site")
    ) == ["data/index.html", "sitegen.json"]
    assert build(settled).damaged == result.damaged
    made = export.export(settled, "csv")
    assert {one.path for one in made.damaged} == {f"vm/{run.id}" for run in odd}


def test_what_fails_without_any_run_is_no_matter_of_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("a bug")

    settled = check.report(tmp_path, *check.three_a_side())
    monkeypatch.setattr(compare, "select", broken)
    with pytest.raises(ZeroDivisionError):
        build(settled)
    assert not (tmp_path / "site").exists()


def test_a_note_that_quotes_a_damaged_run_is_left_out_and_named(tmp_path: Path) -> None:
    runs = check.three_a_side()
    settled = check.report(tmp_path, *runs)
    check.note(tmp_path, "The CVM reads {{ value('fio.iops', 'cvm', direction='read') }}.")
    build(settled)
    for run in runs:
        if run.environment == "cvm":
            (Archive(tmp_path / "archive").path(run) / "measurements.parquet").unlink()
    result = build(settled)
    assert any("fio.md:1" in hint and "left out" in hint for hint in result.hints)
    assert "The CVM reads" not in (tmp_path / "site/fio/index.html").read_text()


def test_damaged_runs_never_stop_the_report_with_its_notes_and_claims(tmp_path: Path) -> None:
    for name in ("archive", "notes", "claims"):
        shutil.copytree(check.ROOT / name, tmp_path / name)
    shutil.copy(check.ROOT / "sitegen.toml", tmp_path)
    damaged = sorted((tmp_path / "archive").glob("h*/*/measurements.parquet"))
    for path in damaged:
        path.write_bytes(path.read_bytes()[:-1])
    result = build(config.load(tmp_path / "sitegen.toml"))
    assert len(result.damaged) == len(damaged) > 4
    assert any("cannot be recomputed while runs are set aside" in hint for hint in result.hints)
    assert any("the note is left out" in hint for hint in result.hints)
    assert check.dead_links(tmp_path / "site") == []
    for page in ("index.html", "claims/index.html", "reports/phala-2025/index.html"):
        assert check.faults(tmp_path / "site", page) == []


def test_a_baseline_whose_runs_are_all_damaged_is_no_mistake_of_the_settings(
    tmp_path: Path,
) -> None:
    toml = '[environments.cvm]\nbaselines = { metal = "host" }\n'
    runs = [check.storage_run(0, "host"), check.storage_run(0)]
    settled = check.report(tmp_path, *runs, toml=toml)
    (Archive(tmp_path / "archive").path(runs[0]) / "measurements.parquet").unlink()
    assert build(settled).runs == 1
