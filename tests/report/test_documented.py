"""docs/notes.md says every function and key that notes and claims have, and its examples work."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sitegen import config
from sitegen.analysis import claims
from sitegen.analysis.compare import Analysis, analyse
from sitegen.analysis.expressions import Sheet
from sitegen.catalogue.units import PRINTED
from sitegen.errors import SitegenError
from sitegen.report import notes
from sitegen.site import render
from tests import site_checks as check
from tests.documents import blocks

PAGE = (check.ROOT / "docs" / "notes.md").read_text("utf-8")
ROWS = re.compile(r"^\| `(\w+)` \|[^|]*\| `(.*)` \|$", re.MULTILINE)
NOTES, CLAIMS = PAGE.split("\n## Claims\n")


@pytest.fixture(scope="module")
def analysis(tmp_path_factory: pytest.TempPathFactory) -> Analysis:
    file = tmp_path_factory.mktemp("documented") / "sitegen.toml"
    file.write_text(check.TOML)
    runs = [
        check.storage_run(10 * place, label, factor=factor)
        for label, factor in (("host", 1.0), ("vm", 1.02), ("cvm", 1.0737))
        for place in range(3)
    ]
    return analyse(runs, config.load(file))


@pytest.fixture(scope="module")
def checked(analysis: Analysis, tmp_path_factory: pytest.TempPathFactory) -> list[claims.Checked]:
    file = tmp_path_factory.mktemp("documented") / "claims.toml"
    file.write_text("".join(blocks(CLAIMS, "toml")))
    return [claims.check(one, analysis) for one in claims.load(file)]


def rendered(folder: Path, text: str, functions: notes.Functions) -> str:
    file = folder / "note.md"
    file.write_text(text)
    return str(render.note(file, functions))


def test_every_function_of_a_note_is_there_and_its_example_works(
    tmp_path: Path, analysis: Analysis, checked: list[claims.Checked]
) -> None:
    of_fio, of_report = notes.of_benchmark(analysis, "fio"), notes.of_report(analysis, checked)
    told = dict(ROWS.findall(NOTES))
    assert set(told) == {*of_fio, *of_report}
    for name, example in told.items():
        assert f"{name}(" in example
        functions = of_report if name == "claim" else of_fio
        text = rendered(tmp_path, example, functions)
        assert "{{" not in text
        assert text.strip()


def test_whole_notes_work_and_what_figures_have_is_named(
    tmp_path: Path, analysis: Analysis
) -> None:
    note, report = blocks(NOTES, "markdown")
    functions = notes.of_benchmark(analysis, "fio")
    text = rendered(tmp_path, note, functions)
    assert "Random reads are slower in the confidential VM: <a " in text
    wrong = note.replace("< 0.99", "> 1.5")
    with pytest.raises(SitegenError, match="the figures do not say: Random reads"):
        rendered(tmp_path, wrong, functions)
    cut = notes.cut(report, rendered(tmp_path, report, functions), "note.md")
    assert set(cut.about) | {"beside"} == notes._HEADER_KEYS  # noqa: SLF001 - which the page has all of
    assert (cut.beside, cut.sections[0][:2]) == (("fio",), ("II", "Storage"))
    told = NOTES[NOTES.index("in another (") :].partition(")")[0]
    assert set(re.findall(r"`([^`]+)`", told)) <= set(PRINTED)
    figure = 'value("fio.iops", "vm", workload="read_iops")'
    text = rendered(tmp_path, f'{{{{ {figure}.to("k/s") }}}} {{{{ {figure}.value }}}}', functions)
    assert "k/s" in text
    assert rendered(tmp_path, f'{{{{ {figure}.param("iodepth") }}}}', functions).count("64") == 1


def test_every_key_of_a_claim_is_there_and_the_example_holds(
    checked: list[claims.Checked],
) -> None:
    keys = re.findall(r"^\| `(\w+)` \| [^|]*\|$", CLAIMS, re.MULTILINE)
    assert sorted(keys) == sorted(claims.Claim.__struct_fields__)
    [one] = checked
    assert one.verdict == claims.Verdict.REPRODUCED
    assert "{" not in one.claim.note
    for word in claims.Verdict:
        assert f"`{word}`" in CLAIMS


def test_every_function_of_an_expression_is_there_and_its_example_works(
    analysis: Analysis,
) -> None:
    sheet = Sheet(analysis)
    told = dict(ROWS.findall(CLAIMS))
    assert list(told) == list(sheet.functions)
    for name, example in told.items():
        assert example.startswith(f"{name}(")
        assert sheet.evaluate(example) is not None
