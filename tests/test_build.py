"""Whole sites: the same bytes each time, only what changed, and nothing that does not belong."""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from benchmarks import synthetic
from sitegen import compare, config, exporting, output, tidy
from sitegen.archive import Archive
from sitegen.build import build
from sitegen.errors import SitegenError
from sitegen.model import Measurement, MetricDefinition, Parameter, Provenance, Run, Source, params
from tests import site_checks as check

# Ends itself with SIGKILL at its n-th change to the file system, as a lost machine would.
_KILLED = """
import os, signal, sys
left = int(sys.argv[1])
def watch(event, args):
    global left
    writes = event == "open" and isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR)
    if writes or event in ("os.rename", "os.remove", "os.mkdir", "os.rmdir"):
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
sys.dont_write_bytecode = True
from pathlib import Path
from sitegen import build, compare, config, exporting, render
from sitegen.archive import library, tables
settled = config.load(Path("sitegen.toml"))
sys.addaudithook(watch)
build.build(settled)
print("left", left)
"""


@pytest.fixture(scope="module")
def report_archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository's own archive, without what `make site` has added to it here."""
    folder = tmp_path_factory.mktemp("own") / "archive"
    shutil.copytree(check.ROOT / "archive", folder, ignore=shutil.ignore_patterns("local"))
    return folder


@pytest.fixture(scope="module")
def report_site(report_archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository's own report, built once, without what was measured on this machine."""
    folder = tmp_path_factory.mktemp("published")
    settled = replace(
        config.load(check.ROOT / "sitegen.toml"),
        archive=report_archive,
        output=folder / "site",
        cache=folder / "cache",
        base_url="https://example.org/report",
    )
    build(settled)
    return folder / "site"


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """Synthetic sites of 100 and of 1,000 runs, by their number of runs."""
    sites = {}
    for runs in (100, 1000):
        folder = tmp_path_factory.mktemp(f"runs-{runs}")
        synthetic.write(folder, synthetic.Shape(runs))
        build(config.load(folder / "sitegen.toml"))
        sites[runs] = folder / "site"
    return sites


def pages(site: Path) -> list[str]:
    return sorted(path.relative_to(site).as_posix() for path in site.rglob("*.html"))


# Same archive, same bytes


def test_another_machine_builds_the_same_bytes(tmp_path: Path) -> None:
    here = check.report(tmp_path / "here", *check.three_a_side())
    build(here)
    there = tmp_path / "elsewhere" / "deeper"
    shutil.copytree(tmp_path / "here" / "archive", there / "archive")
    shutil.copy(tmp_path / "here" / "sitegen.toml", there)
    for number, path in enumerate(sorted(there.rglob("*"))):
        os.utime(path, (1_000_000_000 + number, 1_500_000_000 - 60 * number))
    environment = {**os.environ, "PYTHONHASHSEED": "12345", "TZ": "Pacific/Auckland", "LANG": "C"}
    argv = [sys.executable, "-m", "sitegen.cli", "build", "--config", str(there / "sitegen.toml")]
    subprocess.run(argv, cwd=tmp_path, env=environment, check=True, capture_output=True)
    assert check.differing(check.tree(tmp_path / "here/site"), check.tree(there / "site")) == []


def test_one_run_added_gives_what_a_full_build_gives_and_writes_only_what_changed(
    tmp_path: Path,
) -> None:
    runs = check.three_a_side()
    newest = check.storage_run(90)
    check.built(tmp_path / "grown", *runs)
    before = check.touched(tmp_path / "grown/site")
    old = check.tree(tmp_path / "grown/site")
    result = check.built(tmp_path / "grown", newest)
    check.built(tmp_path / "whole", *runs, newest)
    new = check.tree(tmp_path / "grown/site")
    assert check.differing(new, check.tree(tmp_path / "whole/site")) == []
    after = check.touched(tmp_path / "grown/site")
    changed = {path for path, mark in after.items() if mark != before.get(path)}
    assert changed == set(check.differing(old, new))
    assert result.written == len(changed)
    of_runs = {path.split("/")[1] for path in changed if path.startswith("runs/2")}
    assert of_runs == {newest.id}


def test_no_page_of_an_old_run_is_rendered_again(tmp_path: Path) -> None:
    runs = check.three_a_side()
    check.built(tmp_path, *runs)
    result = check.built(tmp_path, check.storage_run(90))
    assert result.pages - result.rendered >= len(runs)


def test_nothing_changed_renders_and_writes_nothing(tmp_path: Path) -> None:
    check.built(tmp_path, *check.three_a_side())
    before = check.touched(tmp_path / "site")
    result = check.built(tmp_path)
    assert (result.rendered, result.written, result.removed) == (0, 0, 0)
    assert check.touched(tmp_path / "site") == before
    assert result.pages == len(pages(tmp_path / "site"))
    assert result.runs == len(check.three_a_side())


def test_a_removed_run_takes_its_page_with_it(tmp_path: Path) -> None:
    runs = check.three_a_side()
    check.built(tmp_path / "shrunk", *runs)
    shutil.rmtree(Archive(tmp_path / "shrunk/archive").path(runs[0]))
    check.built(tmp_path / "shrunk")
    assert not (tmp_path / "shrunk/site/runs" / runs[0].id).exists()
    check.built(tmp_path / "whole", *runs[1:])
    assert (
        check.differing(check.tree(tmp_path / "shrunk/site"), check.tree(tmp_path / "whole/site"))
        == []
    )


def test_without_its_cache_a_site_is_brought_to_what_a_full_build_gives(tmp_path: Path) -> None:
    runs = check.three_a_side()
    check.built(tmp_path / "old", *runs)
    shutil.rmtree(tmp_path / "old/.sitegen")
    shutil.rmtree(Archive(tmp_path / "old/archive").path(runs[0]))
    check.built(tmp_path / "old")
    check.built(tmp_path / "new", *runs[1:])
    assert (
        check.differing(check.tree(tmp_path / "old/site"), check.tree(tmp_path / "new/site")) == []
    )


def test_a_damaged_cache_is_made_again(tmp_path: Path) -> None:
    runs = check.three_a_side()
    check.built(tmp_path / "one", *runs)
    for path in (tmp_path / "one/.sitegen").rglob("*"):
        if path.is_file():
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    newest = check.storage_run(90)
    check.built(tmp_path / "one", newest)
    check.built(tmp_path / "other", *runs, newest)
    assert (
        check.differing(check.tree(tmp_path / "one/site"), check.tree(tmp_path / "other/site"))
        == []
    )


def test_a_page_that_is_missing_or_cut_is_written_again(tmp_path: Path) -> None:
    runs = check.three_a_side()
    check.built(tmp_path, *runs)
    whole = check.tree(tmp_path / "site")
    (tmp_path / "site/index.html").unlink()
    cut = tmp_path / "site/runs" / runs[0].id / "index.html"
    cut.write_bytes(cut.read_bytes()[:100])
    check.built(tmp_path)
    assert check.differing(check.tree(tmp_path / "site"), whole) == []


def test_settings_that_change_change_the_site(tmp_path: Path) -> None:
    check.built(tmp_path / "one", *check.three_a_side())
    renamed = check.TOML.replace('title = "CVM"', 'title = "Confidential"')
    check.built(tmp_path / "one", toml=renamed)
    check.built(tmp_path / "other", *check.three_a_side(), toml=renamed)
    assert (
        check.differing(check.tree(tmp_path / "one/site"), check.tree(tmp_path / "other/site"))
        == []
    )


# Killed builds

MARK_FILE = "sitegen.json"


def killed(folder: Path, at: int) -> bool:
    """Build until the n-th change to the file system; say whether it was killed there."""
    done = subprocess.run(
        [sys.executable, "-c", _KILLED, str(at)], cwd=folder, capture_output=True, check=False
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr.decode()
    return done.returncode != 0


def moments(seed: str, changes: int, count: int) -> list[int]:
    """Return places to die at: the first and last changes, and some drawn from a seed."""
    drawn = random.Random(seed).sample(range(changes), count)  # noqa: S311 - places, not secrets
    return sorted({0, 1, changes - 2, changes - 1, *drawn})


def changes_of(folder: Path) -> int:
    """Return how often a build of ``folder`` changes the file system."""
    many = 1_000_000
    done = subprocess.run(
        [sys.executable, "-c", _KILLED, str(many)],
        cwd=folder, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return many - int(done.stdout.split()[-1])


def litter(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_first_build_that_is_killed_leaves_no_site_and_the_next_one_is_right(
    tmp_path: Path,
) -> None:
    runs = [check.storage_run(0), check.storage_run(0, "vm")]
    check.report(tmp_path / "count", *runs, toml=check.ALONE)
    changes = changes_of(tmp_path / "count")
    whole = check.tree(tmp_path / "count/site")
    places = litter(tmp_path / "count")
    for at in moments("first", changes, 3):
        folder = tmp_path / f"at-{at}"
        settled = check.report(folder, *runs, toml=check.ALONE)
        assert killed(folder, at), at
        left = check.tree(folder / "site") if (folder / "site").exists() else {}
        assert left in ({}, whole), at
        build(settled)
        assert check.differing(check.tree(folder / "site"), whole) == [], at
        assert litter(folder) == places, at


@pytest.mark.parametrize("then", ["again", "without the run"])
def test_an_update_that_is_killed_leaves_whole_files_and_the_next_build_is_right(
    tmp_path: Path, then: str
) -> None:
    runs = [check.storage_run(0), check.storage_run(0, "vm")]
    check.built(tmp_path / "base", *runs, toml=check.ALONE)
    old = check.tree(tmp_path / "base/site")
    shutil.copytree(tmp_path / "base", tmp_path / "count")
    newest = check.storage_run(1)
    check.report(tmp_path / "count", newest, toml=check.ALONE)
    changes = changes_of(tmp_path / "count")
    new = check.tree(tmp_path / "count/site")
    for at in moments(then, changes, 5):
        folder = tmp_path / f"at-{at}"
        shutil.copytree(tmp_path / "base", folder)
        settled = check.report(folder, newest, toml=check.ALONE)
        assert killed(folder, at), at
        for path, data in check.tree(folder / "site").items():
            if path.rpartition("/")[2] not in (MARK_FILE, ".sitegen-new"):
                assert data in (old.get(path), new.get(path)), (at, path)
        left = check.tree(folder / "site")
        left.pop(".sitegen-new", None)
        mark = json.loads(left[MARK_FILE])
        assert not mark["whole"] or left in (old, new), at
        wanted = new
        if then != "again":
            shutil.rmtree(Archive(folder / "archive").path(newest))
            wanted = old
        build(settled)
        assert check.differing(check.tree(folder / "site"), wanted) == [], at


# Only what a build made is removed


def test_folders_beside_the_site_that_look_like_a_builds_stay(tmp_path: Path) -> None:
    check.report(tmp_path, check.storage_run(0), toml=check.ALONE)
    mine = [".site-backup", ".site-1234", ".site.sitegen-build-old", ".site.old"]
    for name in mine:
        (tmp_path / name).mkdir()
        (tmp_path / name / "thesis.txt").write_text("years of work")
    for _ in range(2):
        check.built(tmp_path, toml=check.ALONE)
    for name in mine:
        assert (tmp_path / name / "thesis.txt").read_text() == "years of work"


@pytest.mark.parametrize("name", ["*", "[a-z]*", "?"])
def test_the_name_of_the_site_is_no_pattern(tmp_path: Path, name: str) -> None:
    settled = check.report(tmp_path, check.storage_run(0), toml=check.ALONE)
    (tmp_path / ".a-b").mkdir()
    build(replace(settled, output=tmp_path / name))
    assert (tmp_path / ".a-b").is_dir()
    assert (tmp_path / name / "index.html").is_file()


def test_what_stands_in_the_place_of_a_build_and_is_none_stops_it(tmp_path: Path) -> None:
    settled = check.report(tmp_path, check.storage_run(0), toml=check.ALONE)
    place = tmp_path / ".site.sitegen-build"
    place.mkdir()
    (place / "thesis.txt").write_text("years of work")
    with pytest.raises(SitegenError, match="was not made by one; move it elsewhere"):
        build(settled)
    assert check.tree(place) == {"thesis.txt": b"years of work"}


@pytest.mark.parametrize("cache", ["kept", "lost"])
def test_files_of_ones_own_anywhere_in_a_site_stay(tmp_path: Path, cache: str) -> None:
    runs = [check.storage_run(number) for number in range(2)]
    check.built(tmp_path, *runs, toml=check.ALONE)
    mine = ["CNAME", "assets/logo.png", f"runs/{runs[0].id}/notes.txt", "compare/own.js", "my/x"]
    for path in mine:
        (tmp_path / "site" / path).parent.mkdir(exist_ok=True)
        (tmp_path / "site" / path).write_text("mine")
    shutil.rmtree(Archive(tmp_path / "archive").path(runs[0]))
    if cache == "lost":
        shutil.rmtree(tmp_path / ".sitegen")
    result = check.built(tmp_path, toml=check.ALONE)
    assert result.removed > 0
    assert not (tmp_path / "site/runs" / runs[0].id / "index.html").exists()
    assert [(tmp_path / "site" / path).read_text() for path in mine] == ["mine"] * len(mine)


@pytest.mark.parametrize("mine", ["runs/{}/index.html", "runs/{}", "runs/{}/index.html/x"])
def test_a_file_of_ones_own_where_a_page_belongs_stops_the_build(tmp_path: Path, mine: str) -> None:
    check.built(tmp_path, check.storage_run(0), toml=check.ALONE)
    old = check.tree(tmp_path / "site")
    newest = check.storage_run(1)
    path = mine.format(newest.id)
    (tmp_path / "site" / path).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / "site" / path).write_text("mine")
    with pytest.raises(SitegenError, match="was not made by sitegen, and a page belongs there"):
        check.built(tmp_path, newest, toml=check.ALONE)
    found = check.tree(tmp_path / "site")
    assert found.pop(path) == b"mine"
    assert found == old


@pytest.mark.parametrize("cache", ["kept", "lost"])
def test_a_site_of_before_sites_had_a_list_is_known_by_its_cache_or_not_touched(
    tmp_path: Path, cache: str
) -> None:
    runs = [check.storage_run(number) for number in range(2)]
    check.built(tmp_path, *runs, toml=check.ALONE)
    mark = tmp_path / "site/sitegen.json"
    [state] = (tmp_path / ".sitegen/build").iterdir()
    files = json.loads(mark.read_bytes())["files"]
    old = {"key": "x", "files": files, "pages": {}, "runs": 2, "damaged": []}
    state.write_text(json.dumps(old if cache == "kept" else {**old, "files": None}))
    mark.write_text('{"sitegen":"0.1.0","runs":1}')
    (tmp_path / "site/mine.txt").write_text("mine")
    before = check.tree(tmp_path / "site")
    shutil.rmtree(Archive(tmp_path / "archive").path(runs[0]))
    if cache == "lost":
        with pytest.raises(SitegenError, match="was built by an older sitegen"):
            check.built(tmp_path, toml=check.ALONE)
        assert check.tree(tmp_path / "site") == before
        return
    check.built(tmp_path, toml=check.ALONE)
    check.built(tmp_path / "new", runs[1], toml=check.ALONE)
    found = check.tree(tmp_path / "site")
    assert found.pop("mine.txt") == b"mine"
    assert check.differing(found, check.tree(tmp_path / "new/site")) == []


def test_a_mark_that_names_files_outside_of_its_site_is_none(tmp_path: Path) -> None:
    settled = check.report(tmp_path, check.storage_run(0), toml=check.ALONE)
    (tmp_path / "precious.txt").write_text("years of work")
    (tmp_path / "site").mkdir()
    for path in ("../precious.txt", str(tmp_path / "precious.txt"), "a/../../precious.txt"):
        mark = {"sitegen": "1", "runs": 1, "whole": True, "files": {path: ["00", 13]}}
        (tmp_path / "site/sitegen.json").write_text(json.dumps(mark))
        with pytest.raises(SitegenError, match="was not made by sitegen"):
            build(settled)
        assert (tmp_path / "precious.txt").is_file()


def test_what_a_link_in_the_site_leads_to_is_not_removed(tmp_path: Path) -> None:
    runs = [check.storage_run(number) for number in range(2)]
    check.built(tmp_path, *runs, toml=check.ALONE)
    place = tmp_path / "site/runs" / runs[0].id
    place.rename(tmp_path / "elsewhere")
    place.symlink_to(tmp_path / "elsewhere")
    shutil.rmtree(Archive(tmp_path / "archive").path(runs[0]))
    check.built(tmp_path, toml=check.ALONE)
    assert (tmp_path / "elsewhere/index.html").is_file()


def test_an_empty_folder_or_a_link_to_one_takes_a_site(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settled = check.report(tmp_path, check.storage_run(0), toml=check.ALONE)
    (tmp_path / "disk").mkdir()
    (tmp_path / "site").symlink_to(tmp_path / "disk")
    build(settled)
    assert (tmp_path / "site").is_symlink()
    build(replace(settled, output=tmp_path / "other"))
    assert check.differing(check.tree(tmp_path / "disk"), check.tree(tmp_path / "other")) == []
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    inode = Path().stat().st_ino
    build(replace(settled, output=Path()))
    assert (Path("index.html").is_file(), Path().stat().st_ino) == (True, inode)


def test_a_link_within_the_site_is_not_written_through(tmp_path: Path) -> None:
    check.built(tmp_path, check.storage_run(0), toml=check.ALONE)
    (tmp_path / "mine").mkdir()
    shutil.move(tmp_path / "site/fio", tmp_path / "fio")
    (tmp_path / "site/fio").symlink_to(tmp_path / "mine")
    (tmp_path / "mine/index.html").write_text("mine")
    with pytest.raises(SitegenError, match="was not made by sitegen, and a page belongs there"):
        check.built(tmp_path, check.storage_run(1), toml=check.ALONE)
    assert (tmp_path / "mine/index.html").read_text() == "mine"


def test_two_names_of_one_site_are_one_site(tmp_path: Path) -> None:
    settled = check.report(tmp_path, check.storage_run(0), toml=check.ALONE)
    build(settled)
    (tmp_path / "link").symlink_to(tmp_path / "site")
    before = check.touched(tmp_path / "site")
    build(replace(settled, output=tmp_path / "link"))
    result = build(settled)
    assert (result.rendered, check.touched(tmp_path / "site")) == (0, before)


def test_what_a_build_made_and_the_user_changed_is_not_removed(tmp_path: Path) -> None:
    runs = [check.storage_run(number) for number in range(2)]
    check.built(tmp_path, *runs, toml=check.ALONE)
    page = tmp_path / "site/runs" / runs[0].id / "index.html"
    page.write_text("my words")
    shutil.rmtree(Archive(tmp_path / "archive").path(runs[0]))
    check.built(tmp_path, toml=check.ALONE)
    assert page.read_text() == "my words"
    assert [each.name for each in page.parent.iterdir()] == ["index.html"]


def test_a_folder_whose_name_is_no_text_takes_a_site(tmp_path: Path) -> None:
    settled = check.report(tmp_path, check.storage_run(0), toml=check.ALONE)
    place = Path(os.fsdecode(os.fsencode(tmp_path) + b"/x\xff"))
    assert build(replace(settled, output=place)).pages > 0
    assert build(replace(settled, output=place)).rendered == 0


# Builds that meet, and builds that are stopped

# Waits in the midst of a build, before anything is put in its place.
_SLOW = """
import sys, time
from pathlib import Path
from sitegen import build, config, output
finish = output.Output.finish
def slow(self, runs):
    Path("begun").touch()
    while not Path("go").exists():
        time.sleep(0.01)
    return finish(self, runs)
output.Output.finish = slow
print(build.build(config.load(Path("sitegen.toml").absolute())).rendered)
"""


def test_of_two_first_builds_one_waits_says_so_and_has_nothing_left_to_do(tmp_path: Path) -> None:
    settled = check.report(tmp_path, check.storage_run(0), toml=check.ALONE)
    first = subprocess.Popen([sys.executable, "-c", _SLOW], cwd=tmp_path, stdout=subprocess.PIPE)
    while not (tmp_path / "begun").exists():
        assert first.poll() is None
        time.sleep(0.01)
    lines: list[str] = []

    def say(line: str) -> None:
        lines.append(line)
        (tmp_path / "go").touch()

    result = build(settled, say)
    out, _ = first.communicate()
    assert lines == ["another build of this site is at work: waiting for it"]
    assert int(out) > 0
    assert (result.rendered, result.written) == (0, 0)
    assert not list(tmp_path.glob(".site*build*"))


def test_a_killed_build_is_not_taken_for_whole_when_the_settings_change_back(
    tmp_path: Path,
) -> None:
    check.built(tmp_path / "base", check.storage_run(0), toml=check.ALONE)
    wanted = check.tree(tmp_path / "base/site")
    other = check.ALONE.replace("A small report", "Another title")
    shutil.copytree(tmp_path / "base", tmp_path / "count")
    check.report(tmp_path / "count", toml=other)
    for at in moments("back", changes_of(tmp_path / "count"), 6):
        folder = tmp_path / f"at-{at}"
        shutil.copytree(tmp_path / "base", folder)
        check.report(folder, toml=other)
        assert killed(folder, at), at
        check.built(folder, toml=check.ALONE)
        assert check.differing(check.tree(folder / "site"), wanted) == [], at


def test_what_a_killed_build_was_about_to_put_in_place_is_removed(tmp_path: Path) -> None:
    check.built(tmp_path, check.storage_run(0), toml=check.ALONE)
    whole = check.tree(tmp_path / "site")
    (tmp_path / "site/.sitegen-new").write_text("half of a mark")
    check.built(tmp_path, toml=check.ALONE)
    assert check.differing(check.tree(tmp_path / "site"), whole) == []


def test_a_build_that_fails_in_the_midst_leaves_a_site_that_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check.built(tmp_path, check.storage_run(0), toml=check.ALONE)
    replaced = output.Output._replace  # a disk that fills up

    def full(self: output.Output, path: str, data: bytes) -> None:
        if path == "index.html":
            raise OSError(errno.ENOSPC, "No space left on device", path)
        replaced(self, path, data)

    with monkeypatch.context() as patch:
        patch.setattr(output.Output, "_replace", full)
        with pytest.raises(OSError, match="No space left"):
            check.built(tmp_path, check.storage_run(1), toml=check.ALONE)
    mark = output.Mark.read(tmp_path / "site")
    assert mark is not None
    assert not mark.whole
    check.built(tmp_path, toml=check.ALONE)
    check.built(tmp_path / "new", check.storage_run(0), check.storage_run(1), toml=check.ALONE)
    assert check.differing(check.tree(tmp_path / "site"), check.tree(tmp_path / "new/site")) == []


# What is refused


def test_a_folder_that_is_not_a_site_is_left_alone(tmp_path: Path) -> None:
    settled = check.report(tmp_path, check.storage_run(0))
    (tmp_path / "site").mkdir()
    (tmp_path / "site/thesis.txt").write_text("years of work")
    with pytest.raises(SitegenError, match="not made by sitegen"):
        build(settled)
    assert check.tree(tmp_path / "site") == {"thesis.txt": b"years of work"}


def test_a_file_in_the_place_of_the_site_is_left_alone(tmp_path: Path) -> None:
    settled = check.report(tmp_path, check.storage_run(0))
    (tmp_path / "site").write_text("a file")
    with pytest.raises(SitegenError, match="is a file"):
        build(settled)
    assert (tmp_path / "site").read_text() == "a file"


def test_a_file_of_ones_own_inside_a_site_is_left_alone(tmp_path: Path) -> None:
    check.built(tmp_path, check.storage_run(0), toml=check.ALONE)
    (tmp_path / "site/CNAME").write_text("report.example.org")
    check.built(tmp_path, check.storage_run(1), toml=check.ALONE)
    assert (tmp_path / "site/CNAME").read_text() == "report.example.org"


def test_an_archive_that_is_not_there_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "sitegen.toml").write_text(check.TOML)
    with pytest.raises(SitegenError, match="sitegen collect"):
        build(config.load(tmp_path / "sitegen.toml"))


def test_an_archive_without_runs_builds_a_site_that_says_so(tmp_path: Path) -> None:
    result = check.built(tmp_path)
    assert result.runs == 0
    assert "Nothing has been measured yet" in (tmp_path / "site/index.html").read_text()
    for page in pages(tmp_path / "site"):
        assert check.faults(tmp_path / "site", page) == [], page


def note(folder: Path, text: str) -> None:
    (folder / "notes").mkdir(exist_ok=True)
    (folder / "notes/fio.md").write_text(text)


def test_a_broken_link_fails_the_build_and_names_the_page(tmp_path: Path) -> None:
    check.built(tmp_path, *check.three_a_side())
    old = check.tree(tmp_path / "site")
    note(tmp_path, "See [the other page](../nowhere/index.html).")
    with pytest.raises(SitegenError, match=r"fio/index\.html.*nowhere"):
        check.built(tmp_path)
    assert check.differing(check.tree(tmp_path / "site"), old) == []


def test_a_link_to_an_id_that_is_not_there_fails_the_build(tmp_path: Path) -> None:
    settled = check.report(tmp_path, *check.three_a_side())
    note(tmp_path, "See [the metric](../methodology/index.html#fio.nonsense).")
    with pytest.raises(SitegenError, match=r"fio\.nonsense"):
        build(settled)
    assert not (tmp_path / "site").exists()


def test_a_note_that_quotes_what_is_not_there_fails_with_its_line(tmp_path: Path) -> None:
    check.built(tmp_path, *check.three_a_side())
    old = check.tree(tmp_path / "site")
    note(tmp_path, "First line.\n\nThe CVM does {{ value('fio.iops', 'no-such-place') }}.\n")
    with pytest.raises(SitegenError, match=r"fio\.md:3: no figure is fio\.iops in no-such-place"):
        check.built(tmp_path)
    assert check.differing(check.tree(tmp_path / "site"), old) == []


def test_a_note_that_quotes_two_figures_at_once_fails(tmp_path: Path) -> None:
    settled = check.report(tmp_path, *check.three_a_side())
    note(tmp_path, "{{ value('fio.iops', 'cvm') }}")
    with pytest.raises(SitegenError, match=r"fio\.md:1: 2 figures"):
        build(settled)


def test_a_note_that_changes_changes_its_page(tmp_path: Path) -> None:
    settled = check.report(tmp_path, *check.three_a_side())
    note(tmp_path, "The CVM reads {{ value('fio.iops', 'cvm', direction='read') }}.")
    build(settled)
    page = (tmp_path / "site/fio/index.html").read_text()
    assert re.search(r'The CVM reads <a href="\.\./runs/[^"]+"[^>]*>\d', page)
    note(tmp_path, "It writes {{ value('fio.iops', 'cvm', direction='write') }}.")
    build(settled)
    assert "It writes <a" in (tmp_path / "site/fio/index.html").read_text()


@pytest.mark.parametrize("name", ["data", "methodology", "environments", "runs"])
def test_a_benchmark_may_not_take_the_place_of_another_page(tmp_path: Path, name: str) -> None:
    run = check.storage_run(0)
    taken = replace(run, id=run.id.replace("-fio-", f"-{name}-"), benchmark=name)
    check.write_foreign(tmp_path, taken)
    result = check.built(tmp_path, check.storage_run(1), toml=check.ALONE)
    [damaged] = result.damaged
    assert name in damaged.path
    check.built(tmp_path / "without", check.storage_run(1), toml=check.ALONE)
    pages_without = check.tree(tmp_path / "without/site")
    changed = check.differing(check.tree(tmp_path / "site"), pages_without)
    assert changed == ["data/index.html", "sitegen.json"]  # which names what was set aside


@pytest.mark.parametrize("label", ["index.html", "page-2.html", "a.b", "0"])
def test_no_label_brings_the_build_down(tmp_path: Path, label: str) -> None:
    check.write_foreign(tmp_path, check.storage_run(0, label))
    result = check.built(tmp_path, check.storage_run(1), toml=check.ALONE)
    assert result.runs + len(result.damaged) == 2
    assert check.dead_links(tmp_path / "site") == []


def test_a_declared_baseline_that_has_no_run_yet_is_no_obstacle(tmp_path: Path) -> None:
    check.built(tmp_path, check.storage_run(0))
    assert check.dead_links(tmp_path / "site") == []


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
    for page in pages(tmp_path / "site"):
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
    exporting.export(settled, "csv")
    lost = runs[0]
    name = part.format(lost.steps[0].name)
    place = Archive(tmp_path / "archive").path(lost) / name
    damaged_somehow(place, how)
    if part == "run.json" and how.startswith("flipped"):
        place.write_bytes(place.read_bytes().replace(b'"note"', b'"nose"'))
    result = build(settled)
    assert result.runs == len(runs) - 1
    named = [one.path for one in exporting.export(settled, "csv").damaged]
    assert named == [f"{lost.environment}/{lost.id}"]
    assert [one.path for one in result.damaged] == named
    assert lost.id.encode() not in exporting.export(settled, "csv").data


# What gets past every door


def crashing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let analysis fail on runs with a certain note, as a bug would."""
    real = compare.select

    def select(runs: Sequence[Run], settings: config.Config) -> object:
        if any("boom" in run.preset for run in runs):
            raise ZeroDivisionError("a bug")
        return real(runs, settings)

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
    made = exporting.export(settled, "csv")
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
    note(tmp_path, "The CVM reads {{ value('fio.iops', 'cvm', direction='read') }}.")
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


# Hostile text

MARK = "<img src=x onerror=alert(1)>"
EVIL = (
    f"{MARK}</script><script>alert(1)</script>\"'`{{{{ 7*7 }}}}{{% raw %}} javascript:alert(1)"
    " ]]> <!-- &lt;b&gt; &amp; \u202e\u2028 "
)


def hostile_run() -> Run:
    run = check.storage_run(0)
    row = "".join(letter for letter in EVIL if letter.isprintable())
    rows = [
        Measurement("w", "fio.own", "value", row[:40], 1.0, (("key" + row[:60], row),)),
        Measurement("w", "fio.iops", "value", "1/s", 2.0, (("direction", row),), 0, "ok",
                    f"2 {row[:90]}"),
        Measurement("w", "fio.iops", "value", "1/s", 3.0, (("direction", row),), 1),
        *run.measurements,
    ]  # fmt: skip
    return replace(
        run,
        measurements=tuple(rows),
        preset=EVIL,
        session=EVIL,
        boot=EVIL,
        note=EVIL,
        tool=replace(run.tool, name=EVIL, version=EVIL, path=EVIL) if run.tool else None,
        parameters=(Parameter(EVIL, EVIL), *run.parameters),
        fingerprint=replace(
            run.fingerprint,
            facts=tuple(replace(f, name=EVIL, value=EVIL, source=EVIL)
                        for f in run.fingerprint.facts),
            tee=replace(run.fingerprint.tee, kind=EVIL, reasons=(EVIL,)),
        ),
        steps=tuple(
            replace(step, name=EVIL, workload=f"w{EVIL}", argv=("fio", EVIL)) for step in run.steps
        ),
        source=Source(EVIL, EVIL, EVIL, EVIL, "javascript:alert(1)//" + EVIL, EVIL, EVIL),
        definitions=(
            MetricDefinition("fio.own", EVIL, EVIL, "higher", EVIL),
            MetricDefinition("other.own", EVIL, EVIL, EVIL, EVIL),
        ),
        redactions=((EVIL, 1),),
    )  # fmt: skip


def hostile_toml() -> str:
    quoted = json.dumps(EVIL.replace("\u2028", ""))
    text = check.TOML.replace('"A small report"', quoted).replace('"CVM"', quoted)
    return text.replace("[environments.cvm]", f"[environments.cvm]\nnote = {quoted}")


@pytest.mark.parametrize("metric", ["fio.a&b", 'fio."quoted"', "fio.two words", "fio.<i>", EVIL])
def test_a_metric_id_that_is_no_word_stops_no_build(tmp_path: Path, metric: str) -> None:
    run = check.storage_run(0)
    row = Measurement("read", metric, "value", "s", 1.0)
    own = replace(
        check.with_rows(run, row, *run.measurements),
        definitions=(MetricDefinition(metric, "Own", "s", "lower", "A definition."),),
    )
    check.write_foreign(tmp_path, own)
    result = check.built(tmp_path, check.storage_run(1), toml=check.ALONE)
    assert result.runs + len(result.damaged) == 2
    assert check.dead_links(tmp_path / "site") == []
    for page in pages(tmp_path / "site"):
        assert check.faults(tmp_path / "site", page) == [], page


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site in which every text that somebody else may choose tries to be markup."""
    folder = tmp_path_factory.mktemp("hostile")
    run = hostile_run()
    settled = check.report(
        folder, check.storage_run(0, "vm"), check.storage_run(0, "host"), toml=hostile_toml()
    )
    raw = {name: EVIL.encode()
           for step in run.steps for name in step.raw}  # fmt: skip
    Archive(folder / "archive").write(run, raw)
    Archive(folder / "archive").write(
        replace(
            check.cited_run("cvm", 5.0, f"5 {MARK}"),
            source=Source("s" + EVIL, EVIL, EVIL, EVIL, '//evil.example/" onclick="x', EVIL),
        )
    )
    text = EVIL.replace("{{", "{ {")
    tricks = "<iframe src='https://evil.example'></iframe><a href='../index.html' onclick='y'>y</a>"
    links = "[x](javascript:alert(1)) ![i](https://evil.example/i.png)"
    note(folder, f"# {text}\n\n{MARK} {links}\n\n{tricks}\n")
    build(replace(settled, base_url="https://example.org/r"))
    return folder / "site"


def test_hostile_text_becomes_text(hostile: Path) -> None:
    for page in pages(hostile):
        assert check.faults(hostile, page) == [], page
        root = check.parse((hostile / page).read_text())
        tags = {element.tag for element in root.iter() if isinstance(element.tag, str)}
        assert not tags & {"img", "iframe", "object", "embed", "form", "base"}, page
        for script in root.iter("script"):
            if script.get("src") is None:
                json.loads(script.text)


def test_control_characters_in_an_output_leave_the_page_whole(tmp_path: Path) -> None:
    run = replace(check.storage_run(0), note="bell \x07 and escape \x1b[1m")
    settled = check.report(tmp_path, toml=check.ALONE)
    raw = {
        name: b"\x1b[31mred\x1b[0m \x00\x07\x7f\x85\xff end\n"
        for step in run.steps
        for name in step.raw
    }
    Archive(tmp_path / "archive").write(run, raw)
    build(settled)
    page = f"runs/{run.id}/index.html"
    assert check.faults(tmp_path / "site", page) == []
    assert " end" in (tmp_path / "site" / page).read_text()


def test_hostile_text_is_shown_as_it_is(hostile: Path) -> None:
    run = hostile_run()
    shown = check.text_of(check.parse((hostile / "runs" / run.id / "index.html").read_text()))
    # Once as note, fact, parameter, argv, raw output, reason of the TEE verdict.
    assert shown.count(MARK) >= 6
    assert "49" not in re.findall(r"`(\d+)", shown)


def test_hostile_text_breaks_no_link(hostile: Path) -> None:
    assert check.dead_links(hostile) == []


def test_no_link_leads_where_a_source_says_without_https(hostile: Path) -> None:
    for page in pages(hostile):
        for link in check.parse((hostile / page).read_text()).iter("a"):
            target = (link.get("href") or "").strip().lower()
            assert not target.startswith(("javascript:", "data:", "//", "http:")), page


def test_the_feed_and_the_sitemap_survive_hostile_text(hostile: Path) -> None:
    ET.fromstring((hostile / "feed.xml").read_bytes())  # noqa: S314 - we wrote it
    ET.fromstring((hostile / "sitemap.xml").read_bytes())  # noqa: S314 - we wrote it


# Every page


def test_every_page_of_the_report_is_whole(report_site: Path) -> None:
    found = {page: check.faults(report_site, page) for page in pages(report_site)}
    assert {page: faults for page, faults in found.items() if faults} == {}


def test_every_page_of_a_small_report_is_whole(tmp_path: Path) -> None:
    check.built(tmp_path, *check.three_a_side())
    found = {page: check.faults(tmp_path / "site", page) for page in pages(tmp_path / "site")}
    assert {page: faults for page, faults in found.items() if faults} == {}


def test_every_link_of_the_report_leads_somewhere(report_site: Path) -> None:
    assert check.dead_links(report_site) == []


def test_every_kind_of_page_is_there(report_site: Path, report_archive: Path) -> None:
    runs = [run.run_id for run in Archive(report_archive).scan()]
    found = set(pages(report_site))
    assert {f"runs/{run}/index.html" for run in runs} <= found
    for name in ("fio", "ab", "7z", "llm", "zktls", "hardware"):
        assert f"{name}/index.html" in found
    assert {
        "index.html", "404.html", "data/index.html", "methodology/index.html", "runs/index.html",
        "environments/index.html", "environments/h200-cvm/index.html",
    } <= found  # fmt: skip


def test_titles_tell_pages_apart(report_site: Path) -> None:
    titles: dict[str, list[str]] = {}
    for page in pages(report_site):
        root = check.parse((report_site / page).read_text())
        titles.setdefault(check.text_of(root.find("head/title")), []).append(page)
    assert {title: found for title, found in titles.items() if len(found) > 1} == {}


def test_nothing_in_a_site_says_where_it_was_built(report_site: Path) -> None:
    telling = [str(check.ROOT), str(report_site.parent), str(Path.home())]
    for path, data in check.tree(report_site).items():
        if "/assets/" in f"/{path}" or path.endswith((".tar", ".parquet")):
            continue
        text = data.decode()
        for word in telling:
            assert not re.search(rf"(?<![\w/-]){re.escape(word)}(?![\w-])", text), (path, word)


def test_metrics_are_linked_to_their_definitions(report_site: Path) -> None:
    defined = {
        e.get("id")
        for e in check.parse((report_site / "methodology/index.html").read_text()).iter("tr")
    }
    for name in ("fio", "ab", "7z", "llm", "zktls", "hardware"):
        with (report_site / f"data/{name}.csv").open(newline="") as file:
            assert {row["metric"] for row in csv.DictReader(file)} <= defined


# Budgets


def too_heavy(site: Path, most: int) -> dict[str, int]:
    sizes = {page: check.first_view_bytes(site, page) for page in pages(site)}
    return {page: size for page, size in sizes.items() if size > most}


def test_every_page_of_the_report_is_light(report_site: Path) -> None:
    assert too_heavy(report_site, 40_000) == {}


def test_every_page_of_a_thousand_runs_is_light(grown: dict[int, Path]) -> None:
    assert too_heavy(grown[1000], 40_000) == {}


def test_pages_do_not_grow_with_the_number_of_runs(grown: dict[int, Path]) -> None:
    compared = [
        "index.html", "fio/index.html", "ab/index.html", "7z/index.html", "methodology/index.html",
        "data/index.html", "environments/index.html",
        *(f"environments/{label}/index.html" for label in ("metal", "vm", "cvm", "gpu-cvm")),
    ]  # fmt: skip
    sizes = {
        page: (check.first_view_bytes(grown[100], page), check.first_view_bytes(grown[1000], page))
        for page in compared
    }
    assert {page: both for page, both in sizes.items() if both[1] > 1.2 * both[0]} == {}


def test_a_thousand_runs_make_whole_pages(grown: dict[int, Path]) -> None:
    site = grown[1000]
    kinds = [page for page in pages(site) if not page.startswith("runs/2")]
    runs = [page for page in pages(site) if page.startswith("runs/2")]
    assert len(runs) == 1000
    assert {p: f for p in (*kinds, *runs[:3]) if (f := check.faults(site, p))} == {}


# Data


def test_the_export_imports_again_to_the_same_figures(
    report_site: Path, report_archive: Path, tmp_path: Path
) -> None:
    archive = Archive(report_archive)
    wanted: dict[str, list[Measurement]] = {}
    for entry in archive.scan():
        run = archive.read(entry)
        wanted.setdefault(run.benchmark, []).extend(run.measurements)
    for name, rows in wanted.items():
        copy = tmp_path / f"{name}.csv"
        shutil.copy(report_site / f"data/{name}.csv", copy)
        again = tidy.read_runs(copy, Provenance.IMPORTED)
        found = [row for run in again for row in run.measurements]
        assert sorted(map(repr, found)) == sorted(
            repr(row._replace(status=str(row.status))) for row in rows
        )


def test_the_three_forms_of_the_data_agree(report_site: Path) -> None:
    from pyarrow import parquet

    for name in ("fio", "7z"):
        text = (report_site / f"data/{name}.csv").read_text()
        rows = [list(row.values()) for row in csv.DictReader(io.StringIO(text))]
        packed = json.loads((report_site / f"data/{name}.json").read_bytes())
        table = parquet.read_table(report_site / f"data/{name}.parquet")
        columns = table.to_pydict()
        assert packed["columns"] == list(columns)
        assert packed["data"] == [list(row) for row in zip(*columns.values(), strict=True)]
        assert len(rows) == len(packed["data"]) == table.num_rows
        for written, row in zip(rows, packed["data"], strict=True):
            for one, other in zip(written, row, strict=True):
                same = float(one) == other if isinstance(other, float) else one == str(other or "")
                assert same or (one, other) == ("0", 0)


def test_a_run_publishes_the_bytes_that_its_manifest_lists(
    report_site: Path, report_archive: Path
) -> None:
    archive = Archive(report_archive)
    for entry in archive.scan():
        _, files, manifest = archive.manifest(entry)
        bundle = report_site / "runs" / entry.run_id / f"{entry.run_id}.tar"
        with tarfile.open(bundle) as packed:
            found = {
                member.name.removeprefix(f"{entry.run_id}/"): content.read()
                for member in packed
                if (content := packed.extractfile(member))
            }
        wanted = {file.name: archive.checked(entry, file) for file in files}
        assert check.differing(found, {"run.json": manifest, **wanted}) == []


def test_raw_output_beyond_the_limit_stays_in_the_archive(tmp_path: Path) -> None:
    toml = check.ALONE.replace("[site]", "[site]\nmax_bytes = 1")
    run = check.storage_run(0)
    check.built(tmp_path, run, toml=toml)
    assert not (tmp_path / "site/runs" / run.id / "raw").exists()
    page = check.text_of(check.parse((tmp_path / "site/runs" / run.id / "index.html").read_text()))
    assert page.count("in the archive only") == sum(len(step.raw) for step in run.steps)
    assert check.dead_links(tmp_path / "site") == []


# The address of the site


def test_feed_sitemap_and_canonical_links_need_an_address(tmp_path: Path) -> None:
    settled = check.report(tmp_path, *check.three_a_side())
    build(settled)
    found = check.tree(tmp_path / "site")
    assert not {"feed.xml", "sitemap.xml"} & set(found)
    assert b"canonical" not in found["index.html"]
    assert b"Sitemap" not in found["robots.txt"]


def test_the_sitemap_names_every_page_at_its_address(report_site: Path) -> None:
    root = ET.fromstring((report_site / "sitemap.xml").read_bytes())  # noqa: S314 - we wrote it
    named = {element.text for element in root.iterfind(".//{*}loc")}
    wanted = {
        "https://example.org/report/" + page.removesuffix("index.html")
        for page in pages(report_site)
        if page != "404.html"
    }
    assert named == wanted
    assert (
        "Sitemap: https://example.org/report/sitemap.xml"
        in (report_site / "robots.txt").read_text().splitlines()
    )


def test_every_page_names_its_own_address(report_site: Path) -> None:
    for page in pages(report_site):
        if page == "404.html":
            continue
        root = check.parse((report_site / page).read_text())
        canonical = root.find("head/link[@rel='canonical']").get("href")
        assert canonical == "https://example.org/report/" + page.removesuffix("index.html"), page


def test_the_feed_lists_the_newest_runs_of_our_own(tmp_path: Path) -> None:
    runs = check.three_a_side()
    settled = replace(check.report(tmp_path, *runs), base_url="https://example.org/r")
    build(settled)
    root = ET.fromstring((tmp_path / "site/feed.xml").read_bytes())  # noqa: S314 - we wrote it
    updated = [e.text for e in root.iterfind("{*}entry/{*}updated")]
    assert updated == sorted(
        (run.started_at for run in runs if run.provenance == Provenance.COLLECTED), reverse=True
    )
    ids = [e.text for e in root.iterfind("{*}entry/{*}id")]
    assert len(set(ids)) == len(updated)
    assert root.find("{*}updated") is not None


def test_the_page_for_lost_readers_links_from_the_root_of_the_site(report_site: Path) -> None:
    root = check.parse((report_site / "404.html").read_text())
    for element in root.iter():
        target = element.get("href") or element.get("src")
        if target and not target.startswith(("#", "https:")):
            assert target.startswith("/report/"), target
            assert (report_site / target.removeprefix("/report/")).is_file(), target


def test_nothing_that_is_served_starts_with_a_dot(report_site: Path) -> None:
    hidden = [p for p in check.tree(report_site) if any(x.startswith(".") for x in p.split("/"))]
    assert hidden == [".nojekyll"]


def test_parameters_in_a_file_name_do_not_matter(tmp_path: Path) -> None:
    row = Measurement("read", "fio.iops", "value", "1/s", 5.0, params(path="../../etc/passwd"))
    check.built(tmp_path, check.with_rows(check.storage_run(0), row), toml=check.ALONE)
    assert check.dead_links(tmp_path / "site") == []
