"""The site's folder: what a build removes, what a killed one leaves, and builds that meet."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from sitegen.archive import Archive
from sitegen.errors import SitegenError
from sitegen.site import folder
from sitegen.site.build import build
from tests import site_checks as check

_LOADED = """
from pathlib import Path
from sitegen import config
from sitegen.analysis import compare, export
from sitegen.site import build, render
from sitegen.archive import library, tables
import signal
sys.dont_write_bytecode = True
"""
# Builds; ends itself with SIGKILL at its n-th change to the file system, as a lost machine would.
_BUILT = """
last, place = given.split(maxsplit=1)
changes = -1
def watch(event, args):
    global changes
    writes = event == "open" and isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR)
    if writes or event in ("os.rename", "os.remove", "os.mkdir", "os.rmdir"):
        changes += 1
        if changes == int(last):
            os.kill(os.getpid(), signal.SIGKILL)
os.chdir(place)
settled = config.load(Path("sitegen.toml"))
sys.addaudithook(watch)
build.build(settled)
Path(place + ".changes").write_text(str(changes))
"""


# Killed builds

MARK_FILE = "sitegen.json"
BuiltUntil = Callable[[Path, int], int]


@pytest.fixture(scope="module")
def built_until() -> Iterator[BuiltUntil]:
    """Return what builds until the n-th change to the file system, and says how that ended."""
    with check.forks(_LOADED, _BUILT) as run:
        yield lambda folder, at: run(f"{at} {folder}")


def moments(seed: str, changes: int, count: int) -> list[int]:
    """Return places to die at: the first and last changes, and some drawn from a seed."""
    drawn = random.Random(seed).sample(range(changes), count)  # noqa: S311 - places, not secrets
    return sorted({0, 1, changes - 2, changes - 1, *drawn})


def changes_of(built_until: BuiltUntil, folder: Path) -> int:
    """Return how often a build of ``folder`` changes the file system."""
    assert built_until(folder, -1) == 0
    return int(folder.with_suffix(".changes").read_text())


def litter(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_first_build_that_is_killed_leaves_no_site_and_the_next_one_is_right(
    tmp_path: Path, built_until: BuiltUntil
) -> None:
    runs = [check.storage_run(0), check.storage_run(0, "vm")]
    check.report(tmp_path / "count", *runs, toml=check.ALONE)
    changes = changes_of(built_until, tmp_path / "count")
    whole = check.tree(tmp_path / "count/site")
    places = litter(tmp_path / "count")
    for at in moments("first", changes, 3):
        folder = tmp_path / f"at-{at}"
        settled = check.report(folder, *runs, toml=check.ALONE)
        assert built_until(folder, at) == -signal.SIGKILL, at
        left = check.tree(folder / "site") if (folder / "site").exists() else {}
        assert left in ({}, whole), at
        build(settled)
        assert check.differing(check.tree(folder / "site"), whole) == [], at
        assert litter(folder) == places, at


@pytest.mark.parametrize("then", ["again", "without the run"])
def test_an_update_that_is_killed_leaves_whole_files_and_the_next_build_is_right(
    tmp_path: Path, built_until: BuiltUntil, then: str
) -> None:
    runs = [check.storage_run(0), check.storage_run(0, "vm")]
    check.built(tmp_path / "base", *runs, toml=check.ALONE)
    old = check.tree(tmp_path / "base/site")
    shutil.copytree(tmp_path / "base", tmp_path / "count")
    newest = check.storage_run(1)
    check.report(tmp_path / "count", newest, toml=check.ALONE)
    changes = changes_of(built_until, tmp_path / "count")
    new = check.tree(tmp_path / "count/site")
    for at in moments(then, changes, 5):
        folder = tmp_path / f"at-{at}"
        shutil.copytree(tmp_path / "base", folder)
        settled = check.report(folder, newest, toml=check.ALONE)
        assert built_until(folder, at) == -signal.SIGKILL, at
        for path, data in check.tree(folder / "site").items():
            if path != MARK_FILE and not path.startswith(".sitegen-new/"):
                assert data in (old.get(path), new.get(path)), (at, path)
        shutil.rmtree(folder / "site/.sitegen-new", ignore_errors=True)
        left = check.tree(folder / "site")
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


def test_what_a_build_made_is_known_by_the_digests_of_before_too(tmp_path: Path) -> None:
    runs = [check.storage_run(number) for number in range(2)]
    check.built(tmp_path, *runs, toml=check.ALONE)
    mark = tmp_path / "site/sitegen.json"
    listed = json.loads(mark.read_bytes())
    for path, entry in listed["files"].items():
        data = (tmp_path / "site" / path).read_bytes()
        entry[0] = hashlib.blake2b(data, digest_size=12).hexdigest()
    mark.write_text(json.dumps(listed))
    shutil.rmtree(Archive(tmp_path / "archive").path(runs[0]))
    check.built(tmp_path, toml=check.ALONE)
    check.built(tmp_path / "new", runs[1], toml=check.ALONE)
    assert check.differing(check.tree(tmp_path / "site"), check.tree(tmp_path / "new/site")) == []


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
from sitegen import config
from sitegen.site import build, folder
finish = folder.Output.finish
def slow(self, runs):
    Path("begun").touch()
    while not Path("go").exists():
        time.sleep(0.01)
    return finish(self, runs)
folder.Output.finish = slow
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
    tmp_path: Path, built_until: BuiltUntil
) -> None:
    check.built(tmp_path / "base", check.storage_run(0), toml=check.ALONE)
    wanted = check.tree(tmp_path / "base/site")
    other = check.ALONE.replace("A small report", "Another title")
    shutil.copytree(tmp_path / "base", tmp_path / "count")
    check.report(tmp_path / "count", toml=other)
    for at in moments("back", changes_of(built_until, tmp_path / "count"), 6):
        folder = tmp_path / f"at-{at}"
        shutil.copytree(tmp_path / "base", folder)
        check.report(folder, toml=other)
        assert built_until(folder, at) == -signal.SIGKILL, at
        check.built(folder, toml=check.ALONE)
        assert check.differing(check.tree(folder / "site"), wanted) == [], at


def test_what_a_killed_build_was_about_to_put_in_place_is_removed(tmp_path: Path) -> None:
    check.built(tmp_path, check.storage_run(0), toml=check.ALONE)
    whole = check.tree(tmp_path / "site")
    waiting = tmp_path / "site/.sitegen-new"
    (waiting / "runs").mkdir(parents=True)
    (waiting / "runs/index.html").write_text("half of a page")
    check.built(tmp_path, toml=check.ALONE)
    assert check.differing(check.tree(tmp_path / "site"), whole) == []
    waiting.symlink_to(tmp_path)
    check.built(tmp_path, toml=check.ALONE)
    assert (tmp_path / "archive").is_dir()
    assert check.differing(check.tree(tmp_path / "site"), whole) == []


def test_a_build_that_fails_in_the_midst_leaves_a_site_that_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check.built(tmp_path, check.storage_run(0), toml=check.ALONE)
    replaced = os.replace  # a disk that fills up

    def full(waiting: str | Path, place: str | Path) -> None:
        if os.fspath(place).endswith("site/index.html"):
            raise OSError(errno.ENOSPC, "No space left on device", place)
        replaced(waiting, place)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        with pytest.raises(SitegenError, match="No space left on device; free some space"):
            check.built(tmp_path, check.storage_run(1), toml=check.ALONE)
    mark = folder.Mark.read(tmp_path / "site")
    assert mark is not None
    assert not mark.whole
    check.built(tmp_path, toml=check.ALONE)
    check.built(tmp_path / "new", check.storage_run(0), check.storage_run(1), toml=check.ALONE)
    assert check.differing(check.tree(tmp_path / "site"), check.tree(tmp_path / "new/site")) == []


# What is refused


@pytest.mark.parametrize(
    ("path", "reason"),
    [("site/thesis.txt", "is not empty and was not made by sitegen"), ("site", "is a file")],
)
def test_what_is_not_a_site_is_left_alone(tmp_path: Path, path: str, reason: str) -> None:
    settled = check.report(tmp_path, check.storage_run(0))
    (tmp_path / path).parent.mkdir(exist_ok=True)
    (tmp_path / path).write_text("years of work")
    with pytest.raises(SitegenError, match=reason):
        build(settled)
    assert (tmp_path / path).read_text() == "years of work"
    assert len(check.tree(tmp_path / "site")) <= 1


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="takes a place that is never writable")
def test_a_place_that_cannot_be_written_is_the_one_that_the_user_named(tmp_path: Path) -> None:
    settings = replace(check.report(tmp_path, check.storage_run(0)), output=Path("/proc/report"))
    with pytest.raises(SitegenError, match=r"^/proc/report: cannot be written: .*; name another"):
        build(settings)
