"""The list of all runs: its rows, its pages, its data, and that one run more changes the last."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from sitegen import config
from sitegen.analysis.compare import analyse
from sitegen.archive import Archive, library
from sitegen.model import (
    DATED_BY,
    NO_DATE,
    Doubt,
    Measurement,
    Parameter,
    Run,
    params,
)
from sitegen.report import run, run_list
from sitegen.report.run_list import NEWEST, PER_PAGE, PER_SHARD, Line, Mark
from tests import site_checks as check

from .test_pages import SETTINGS


def line_of(one: Run) -> Line:
    [line] = run_list.lines(analyse([one], SETTINGS), [one])
    return line


def disturbed(one: Run) -> Run:
    """Return a run on a machine that was busy with something else."""
    return replace(one, steps=tuple(replace(s, conditions=(("psi_cpu", 0.5),)) for s in one.steps))


def many(count: int) -> list[Line]:
    """Return lines of so many runs, a minute apart, the oldest first."""
    line = line_of(check.storage_run(0))
    stamps = [f"202603{1 + n // 1440:02}t{n // 60 % 24:02}{n % 60:02}00z" for n in range(count)]
    return [
        line._replace(
            id=f"{stamp}-fio-{'abcdefgh' if number % 2 else 'hgfedcba'}",
            when=f"{stamp[:4]}-{stamp[4:6]}-{stamp[6:8]} {stamp[9:11]}:{stamp[11:13]}",
        )
        for number, stamp in enumerate(stamps)
    ]


def data(script: bytes) -> dict[str, Any]:
    """Return what a script hands over."""
    found: dict[str, Any] = json.loads(script.decode().partition(".push(")[2][:-3])
    return found


# Rows


def test_a_row_has_what_the_runs_page_says_first() -> None:
    one = check.storage_run(0)
    line = line_of(one)
    page = run.page(analyse([one], SETTINGS), one, digest="0" * 64)
    assert page.headline == f"Storage on CVM: random read, 4 KiB {line.value} {line.unit}"
    assert (line.of, line.place.words) == ("Random read, 4 KiB", "TDX CPU TEE")
    assert (line.when, line.about) == ("2026-03-01 00:00", "standard, 3 workloads")
    assert line.marks == ()


@pytest.mark.parametrize(
    ("one", "marks"),
    [
        (replace(check.storage_run(0), preset="quick"), ["quick"]),
        (replace(check.storage_run(0), complete=False), ["incomplete"]),
        (disturbed(check.storage_run(0)), ["contention"]),
        (
            replace(
                check.storage_run(0),
                parameters=(Parameter(DATED_BY, NO_DATE), Doubt.CUT_OFF.parameter("It ends.")),
            ),
            ["undated", "cut off"],
        ),
    ],
)
def test_a_run_to_look_at_twice_has_its_marks(one: Run, marks: list[str]) -> None:
    line = line_of(one)
    assert [mark.short for mark in line.marks] == marks
    page = run.page(analyse([one], SETTINGS), one, digest="0" * 64)
    assert marks == [doubt.rule.short for doubt in page.doubts]


def test_that_a_figure_is_cited_is_no_reason_to_look_twice() -> None:
    line = line_of(check.cited_run("cvm", 36_000.0, "36000"))
    assert line.marks == ()
    assert (line.when, line.about) == ("2025", "cited: A report")


def test_a_mark_says_one_sentence_of_bounded_length() -> None:
    quick = line_of(replace(check.storage_run(0), preset="quick")).marks[0]
    assert quick.sentence.count(". ") == 0
    assert quick.sentence.endswith("one repetition.")
    doubt = Doubt.CUT_OFF.parameter("no end " * 100)
    [cut] = line_of(replace(check.storage_run(0), parameters=(doubt,))).marks
    assert len(cut.sentence) < 210
    assert cut.sentence.endswith(" …")


def test_models_are_told_and_a_run_without_a_headline_has_no_value() -> None:
    rows = tuple(
        Measurement("w", "llm.load_time", "value", "s", 1.0, params(model=model))
        for model in ("B", "A", "B")
    )
    line = line_of(replace(check.storage_run(0), benchmark="llm", measurements=rows, steps=()))
    assert (line.model, line.of, line.value, line.unit) == ("A, B", "", "", "")


def test_an_indexed_run_has_the_caveats_of_the_whole_one(tmp_path: Path) -> None:
    settings = replace(config.load(check.ROOT / "sitegen.toml"), cache=tmp_path)
    indexed = [held.run for held in library.of(settings).runs.values()]
    archive, analysis = Archive(settings.archive), analyse(indexed, settings)
    listed = dict(zip([r.id for r in indexed], run_list.lines(analysis, indexed), strict=True))
    marked = 0
    for entry in archive.scan():
        whole, held = archive.manifest(entry)[0], listed[entry.run_id]
        [table] = [one.table for one in indexed if one.id == entry.run_id]
        page = run.page(analysis, whole, digest="0" * 64, table=table)
        told = [d.rule.id for d in page.doubts if d.rule.doubts or d.rule.named]
        assert [mark.rule for mark in held.marks] == told
        marked += bool(told)
    assert marked


# Pages and data


@pytest.mark.parametrize("count", [0, 1, NEWEST, NEWEST + 1, 2 * PER_PAGE, 2 * PER_PAGE + 1])
def test_every_run_stands_on_a_page(count: int) -> None:
    lines = many(count)
    first, *rest = run_list.pages(lines)
    assert first.lines == tuple(reversed(lines[-NEWEST:]))
    assert [page.number for page in rest] == list(range(1, len(rest) + 1))
    listed = [line for page in rest for line in reversed(page.lines)]
    assert listed == (lines if count > NEWEST else [])
    assert {page.total for page in (first, *rest)} == {count}
    assert [number for number, *_ in first.further] == [page.number for page in reversed(rest)]


def test_one_run_more_changes_the_last_page_and_the_last_shard() -> None:
    more = many(2 * PER_SHARD + 2)
    before, after = (run_list.shards(lines) for lines in (more[:-1], more))
    assert [name for name in after if after[name] != before.get(name)] == ["runs/shard-3.js"]
    old, new = (run_list.pages(lines) for lines in (more[:-1], more))
    changed = [b.number for a, b in zip(old, new, strict=True) if a.lines != b.lines]
    assert changed == [0, len(new) - 1]


def test_the_data_is_small() -> None:
    import gzip

    [script] = run_list.shards(many(1000)).values()
    assert len(gzip.compress(script, 9)) < 12_000


def test_what_can_be_chosen_is_counted() -> None:
    lines = many(4)
    mark = Mark("quick", "quick", "Taken in seconds.")
    lines[0] = lines[0]._replace(model="Llama", marks=(mark, mark._replace(rule="label")))
    lines[1] = lines[1]._replace(marks=(mark,))
    choices = run_list.pages(lines)[0].choices
    assert choices is not None
    assert choices.benchmark == (("fio", "Storage", 4),)
    assert choices.env == (("cvm", "CVM", 4),)
    assert choices.model == (("Llama", "Llama", 1),)
    assert {rule: count for rule, _, count in choices.caveat} == {"quick": 2, "label": 1}


def test_dates_that_an_id_does_not_say_are_told() -> None:
    undated = replace(check.storage_run(0), parameters=(Parameter(DATED_BY, NO_DATE),))
    cited = check.cited_run("cvm", 36_000.0, "36000")
    told = [line_of(one) for one in (cited, undated, check.storage_run(1))]
    [script] = run_list.shards(told).values()
    assert data(script)["dates"] == [[0, "2025"], [1, "undated"]]
