"""Publishing: the branch holds the site and nothing else, in one commit."""

from __future__ import annotations

import io
import os
import re
import shutil
import signal
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from msgspec.structs import replace

from sitegen import config
from sitegen.cli import main
from sitegen.config import Config
from sitegen.errors import SitegenError
from sitegen.site import publish
from sitegen.site.build import build
from tests import site_checks as check


def git(folder: Path, *argv: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(folder), *argv], capture_output=True, text=True, check=True
    )
    return done.stdout


@pytest.fixture
def settled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    """A built report in a repository with a bare remote called origin."""
    for key in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(key)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "A Reporter")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "reporter@example.org")
    work = tmp_path / "work"
    found = check.report(work, *check.three_a_side())
    build(found)
    subprocess.run(["git", "init", "--quiet", "--bare", str(tmp_path / "remote.git")], check=True)
    subprocess.run(["git", "init", "--quiet", "-b", "main", str(work)], check=True)
    git(work, "config", "user.name", "A Reporter")
    git(work, "config", "user.email", "reporter@example.org")
    git(work, "remote", "add", "origin", str(tmp_path / "remote.git"))
    monkeypatch.chdir(work)
    return found


def published(folder: Path, branch: str = "gh-pages") -> dict[str, bytes]:
    argv = ["git", "-C", str(folder), "archive", "--format=tar", branch]
    packed = subprocess.run(argv, capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        members = {member.name: tar.extractfile(member) for member in tar if not member.isdir()}
        return {name: file.read() if file else b"" for name, file in members.items()}


def to_pages(
    settled: Config, branch: str = "gh-pages", remote: str = "origin", **how: bool
) -> list[str]:
    return list(publish.to_branch(settled, branch=branch, remote=remote, **{"push": True, **how}))


def commit_settings(folder: Path) -> None:
    git(folder, "add", "sitegen.toml")
    git(folder, "commit", "--quiet", "-m", "A report")


def test_the_branch_at_the_remote_of_the_report_holds_the_site_and_nothing_else(
    settled: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # which is no repository
    assert "pushed to origin" in to_pages(settled)[-1]
    remote = tmp_path / "remote.git"
    assert check.differing(published(remote), check.tree(settled.output)) == []
    assert ".nojekyll" in published(remote)
    before = git(settled.root, "rev-parse", "gh-pages")
    assert "nothing has changed since the last publication" in to_pages(settled)
    assert git(settled.root, "rev-parse", "gh-pages") == before
    check.write(settled.root, check.storage_run(50))
    build(settled)
    to_pages(settled)
    assert git(remote, "rev-list", "--count", "gh-pages").strip() == "1"
    assert check.differing(published(remote), check.tree(settled.output)) == []


def test_without_pushing_only_the_branch_here_changes(settled: Config) -> None:
    assert "not pushed" in to_pages(settled, "pages", push=False)[-1]
    assert check.differing(published(settled.root, "pages"), check.tree(settled.output)) == []
    assert git(settled.root.parent / "remote.git", "branch", "--list") == ""
    assert git(settled.root, "status", "--short").splitlines()[0].startswith("??")


def test_the_checked_out_branch_and_its_files_are_left_alone(settled: Config) -> None:
    commit_settings(settled.root)
    before = git(settled.root, "rev-parse", "HEAD")
    to_pages(settled)
    assert git(settled.root, "rev-parse", "HEAD") == before
    assert git(settled.root, "symbolic-ref", "--short", "HEAD").strip() == "main"
    assert (settled.root / "sitegen.toml").is_file()


@pytest.mark.parametrize("folder", ["nothing", "archive"])
def test_without_a_site_it_says_what_to_run(settled: Config, folder: str) -> None:
    with pytest.raises(SitegenError, match="no built site; run `sitegen build` first"):
        to_pages(replace(settled, output=settled.root / folder))


def test_a_remote_that_is_not_there_is_one_line(settled: Config) -> None:
    with pytest.raises(SitegenError, match="git would not take it") as refusal:
        to_pages(settled, remote="nowhere")
    assert "\n" not in str(refusal.value)
    assert "`git remote add nowhere ADDRESS`, or use --no-push" in str(refusal.value)


def test_a_folder_that_is_no_repository_is_told_how_to_become_one(settled: Config) -> None:
    shutil.rmtree(settled.root / ".git")
    with pytest.raises(SitegenError, match="is in no git repository; `git init` there"):
        to_pages(settled)


# Nothing of the user's is replaced


def branch_of(folder: Path, name: str, *files: tuple[str, str], onto: str = "") -> str:
    """Commit files to a branch, as a hosting site does in its own pages; return the commit."""
    index = folder / "an-index"
    variables = {**os.environ, "GIT_INDEX_FILE": str(index)}

    def asked(*argv: str, given: str | None = None) -> str:
        done = subprocess.run(
            ["git", "-C", str(folder), *argv], input=given, env=variables,
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        return done.stdout.strip()

    if onto:
        asked("read-tree", onto)
    for path, text in files:
        blob = asked("hash-object", "-w", "--stdin", given=text)
        asked("update-index", "--add", "--cacheinfo", f"100644,{blob},{path}")
    parent = ("-p", onto) if onto else ()
    commit = asked("commit-tree", asked("write-tree"), *parent, "-m", "Mine")
    asked("update-ref", f"refs/heads/{name}", commit)
    index.unlink()
    return commit


def commit_to(folder: Path, branch: str, path: str, text: str) -> None:
    branch_of(folder, branch, (path, text), onto=branch)


@pytest.mark.parametrize("committed", ["a commit", ""])
def test_the_checked_out_branch_is_refused(settled: Config, committed: str) -> None:
    if committed:
        commit_settings(settled.root)
    before = git(settled.root, "for-each-ref")
    for adopt in (False, True):
        with pytest.raises(SitegenError, match="main is checked out"):
            to_pages(settled, "main", adopt=adopt)
    assert git(settled.root, "for-each-ref") == before


def test_a_branch_that_is_checked_out_elsewhere_is_refused(settled: Config) -> None:
    to_pages(settled)
    git(settled.root, "worktree", "add", "--quiet", str(settled.root / "tree"), "gh-pages")
    with pytest.raises(SitegenError, match="gh-pages is checked out"):
        to_pages(settled)


@pytest.mark.parametrize(
    "name", ["HEAD", "head", "-d", "--force", "", "@", "a b", "a..b", "refs/heads/x", "x.lock", "-"]
)
def test_what_is_no_name_of_a_branch_is_refused(settled: Config, name: str) -> None:
    before = git(settled.root, "for-each-ref")
    with pytest.raises(SitegenError, match="is not the name of a branch"):
        to_pages(settled, name, adopt=True)
    assert git(settled.root, "for-each-ref") == before


@pytest.mark.parametrize("name", ["-d", "--upload-pack=touch x", ""])
def test_an_option_is_no_remote(settled: Config, name: str) -> None:
    with pytest.raises(SitegenError, match="is not a remote"):
        to_pages(settled, remote=name)


def test_a_branch_that_it_did_not_make_is_refused_until_it_is_adopted(settled: Config) -> None:
    mine = branch_of(settled.root, "gh-pages", ("index.html", "<h1>Mine</h1>"), ("CNAME", "x.org"))
    with pytest.raises(SitegenError, match=r"was not made by this sitegen, and holds index\.html"):
        to_pages(settled)
    assert git(settled.root, "rev-parse", "gh-pages").strip() == mine
    said = to_pages(settled, adopt=True)
    assert any("replaced in gh-pages: index.html" in line and mine[:12] in line for line in said)
    found = published(settled.root)
    assert found.pop("CNAME") == b"x.org"
    assert check.differing(found, check.tree(settled.output)) == []
    assert git(settled.root, "cat-file", "-t", mine).strip() == "commit"


def test_a_branch_at_the_remote_that_it_did_not_make_is_refused(
    settled: Config, tmp_path: Path
) -> None:
    mine = branch_of(settled.root, "theirs", ("index.html", "<h1>Theirs</h1>"))
    git(settled.root, "push", "--quiet", "origin", "theirs:gh-pages")
    remote = tmp_path / "remote.git"
    with pytest.raises(SitegenError, match=r"origin/gh-pages: was not made by this sitegen"):
        to_pages(settled)
    assert git(remote, "rev-parse", "gh-pages").strip() == mine
    to_pages(settled, adopt=True)
    assert check.differing(published(remote), check.tree(settled.output)) == []


def test_what_is_named_cname_or_declared_stays_on_the_branch(
    settled: Config, tmp_path: Path
) -> None:
    to_pages(settled)
    remote = tmp_path / "remote.git"
    commit_to(remote, "gh-pages", "CNAME", "tee.example.org")
    said = to_pages(settled)
    assert "kept: CNAME" in said
    assert published(remote)["CNAME"] == b"tee.example.org"
    commit_to(remote, "gh-pages", ".well-known/security.txt", "Contact: us")
    with pytest.raises(SitegenError, match=r"did not put there: \.well-known/security\.txt"):
        to_pages(settled)
    said = to_pages(replace(settled, keep=(".well-known",)))
    assert "kept: .well-known/security.txt, CNAME" in said
    assert published(remote)[".well-known/security.txt"] == b"Contact: us"


def test_a_branch_name_that_stands_for_another_branch_moves_no_other(settled: Config) -> None:
    commit_settings(settled.root)
    git(settled.root, "symbolic-ref", "refs/heads/gh-pages", "refs/heads/main")
    before = git(settled.root, "rev-parse", "main")
    with pytest.raises(SitegenError, match="was not made by this sitegen"):
        to_pages(settled)
    to_pages(settled, adopt=True)
    assert git(settled.root, "rev-parse", "main") == before


# A site that is not whole


def test_a_site_that_is_not_whole_is_not_published(settled: Config) -> None:
    mark = settled.output / "sitegen.json"
    whole = mark.read_bytes()
    mark.write_bytes(whole.replace(b'"whole":true', b'"whole":false'))
    with pytest.raises(SitegenError, match="is not whole: its last build was stopped"):
        to_pages(settled)
    mark.write_bytes(whole)
    page = settled.output / "index.html"
    built = page.read_bytes()
    for changed in (built[:100], built.replace(b"small", b"s-all")):
        page.write_bytes(changed)
        with pytest.raises(SitegenError, match=r"is not whole: index\.html is not as it was built"):
            to_pages(settled)


def test_what_no_build_made_is_published_where_it_is_declared(
    settled: Config, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("a key")
    (settled.output / "notes").symlink_to(tmp_path / "secret")
    (settled.output / "extra.pdf").write_text("mine")
    (settled.output / "CNAME").write_text("x.org")
    for _ in range(2):
        said = to_pages(settled)
        assert any("not published, for no build made it: extra.pdf, notes" in each for each in said)
        assert {"CNAME", "index.html"} < set(published(tmp_path / "remote.git"))
        assert not {"extra.pdf", "notes"} & set(published(tmp_path / "remote.git"))
    to_pages(replace(settled, keep=("extra.pdf",)))
    assert published(tmp_path / "remote.git")["extra.pdf"] == b"mine"
    with pytest.raises(SitegenError, match="is a link, not a file"):
        to_pages(replace(settled, keep=("extra.pdf", "notes")))


def test_a_build_that_begins_while_it_is_published_is_noticed(
    settled: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = publish._Git.output  # noqa: SLF001 - where the files are read a second time

    def meanwhile(self: publish._Git, *argv: str, **options: Any) -> str:  # noqa: ANN401
        if argv[0] == "hash-object":
            build(replace(settled, base_url="https://changed.example"))
        return output(self, *argv, **options)

    monkeypatch.setattr(publish._Git, "output", meanwhile)  # noqa: SLF001
    with pytest.raises(SitegenError, match="a build is at work"):
        to_pages(settled)
    assert not tip(settled.root)


# What others did to the branch


def test_what_was_edited_on_the_branch_is_not_replaced_without_a_word(
    settled: Config, tmp_path: Path
) -> None:
    to_pages(settled)
    remote = tmp_path / "remote.git"
    commit_to(remote, "gh-pages", "index.html", "my words")
    edited = tip(remote)
    with pytest.raises(SitegenError, match=r"did not put there: index\.html"):
        to_pages(settled)
    with pytest.raises(SitegenError, match=r"the site has index\.html itself"):
        to_pages(replace(settled, keep=("index.html",)))
    assert tip(remote) == edited
    said = to_pages(settled, adopt=True)
    assert any("replaced in origin/gh-pages: index.html" in line for line in said)


@pytest.mark.parametrize("path", ["data", "robots.txt/mine", "fio/index.html/x"])
def test_what_is_kept_takes_no_place_of_a_page(settled: Config, path: str) -> None:
    mine = branch_of(settled.root, "gh-pages", (path, "mine"))
    with pytest.raises(SitegenError, match="the site has"):
        to_pages(replace(settled, keep=(path.partition("/")[0],)), adopt=True)
    assert tip(settled.root) == mine


def test_a_cname_that_was_taken_away_at_the_remote_stays_away(
    settled: Config, tmp_path: Path
) -> None:
    remote = tmp_path / "remote.git"
    to_pages(settled)
    before = tip(remote)
    commit_to(remote, "gh-pages", "CNAME", "tee.example.org")
    to_pages(settled)
    assert "CNAME" in published(settled.root)
    git(remote, "update-ref", PAGES, before)
    to_pages(settled)
    assert "CNAME" not in published(remote)


def test_a_branch_that_is_being_rebased_is_in_use(settled: Config) -> None:
    def commit(text: str) -> None:
        (settled.root / "a.txt").write_text(text)
        git(settled.root, "add", "a.txt")
        git(settled.root, "commit", "--quiet", "-m", text)

    commit("one")
    git(settled.root, "checkout", "--quiet", "-b", "topic")
    commit("two")
    git(settled.root, "checkout", "--quiet", "main")
    commit("three")
    argv = ["git", "-C", str(settled.root), "rebase", "main", "topic"]
    subprocess.run(argv, capture_output=True, check=False)
    before = git(settled.root, "rev-parse", "topic")
    with pytest.raises(SitegenError, match="is checked out or being rebased"):
        to_pages(settled, "topic", push=False, adopt=True)
    assert git(settled.root, "rev-parse", "topic") == before


def test_the_repository_is_the_reports_whatever_git_is_told(
    settled: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    subprocess.run(["git", "init", "--quiet", str(other)], check=True)
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    to_pages(settled, push=False)
    monkeypatch.delenv("GIT_DIR")
    assert tip(settled.root)
    assert not tip(other)


def test_names_of_all_kinds_are_kept_as_they_are(settled: Config, tmp_path: Path) -> None:
    odd = ("a b.txt", 'quo"te', "tab\there", "uml\u00e4ut", "back\\slash", "line\nend")
    names = [f"k/{name}" for name in odd]
    branch_of(settled.root, "gh-pages", *((name, name) for name in names))
    said = to_pages(replace(settled, keep=("k",)))
    assert any(line.startswith("kept: ") for line in said)
    found = published(tmp_path / "remote.git")
    assert {name: found[name].decode() for name in names} == {name: name for name in names}
    assert to_pages(replace(settled, keep=("k",)))[-2].startswith("nothing has changed")


# Killed publications

PAGES = "refs/heads/gh-pages"
#: Stands for git on PATH: kills who runs it, before or after the call that is due.
_SHIM = """#!/bin/sh
number=$(($(cat '{count}') + 1))
echo $number >'{count}'
if [ "$KILL_AT" = "$number before" ]; then kill -9 $PPID; exit 1; fi
'{git}' "$@"
code=$?
if [ "$KILL_AT" = "$number after" ]; then kill -9 $PPID; fi
exit $code
"""
_LOADED = """
from pathlib import Path
from sitegen import config
from sitegen.site import publish
settled = config.load(Path("sitegen.toml"))
"""
_PUBLISHED = """
os.environ["KILL_AT"] = given
list(publish.to_branch(settled, branch="gh-pages", remote="origin", push=True))
"""


@pytest.mark.parametrize("branch", ["the first", "a later"])
def test_a_publication_that_is_killed_has_done_all_or_nothing(
    settled: Config, tmp_path: Path, branch: str
) -> None:
    remote, count = tmp_path / "remote.git", tmp_path / "count"
    if branch == "a later":
        to_pages(settled)
        check.write(settled.root, check.storage_run(50))
        build(settled)
    new = check.tree(settled.output)
    old = {place: (tip(place), branch_tree(place)) for place in (remote, settled.root)}
    shim = tmp_path / "bin" / "git"
    shim.parent.mkdir()
    shim.write_text(_SHIM.format(count=count, git=shutil.which("git")))
    shim.chmod(0o755)
    environment = {**os.environ, "PATH": f"{shim.parent}{os.pathsep}{os.environ['PATH']}"}
    kills = 0
    with check.forks(_LOADED, _PUBLISHED, cwd=settled.root, env=environment) as publishes:
        for at in range(1, 100):
            count.write_text("0")
            if (code := publishes(f"{at} {('before', 'after')[at % 2]}")) == 0:
                break
            assert code == -signal.SIGKILL
            kills += 1
            for place, (_, before) in old.items():
                assert branch_tree(place) in (before, new), at
            to_pages(settled)
            for place, (commit, _) in old.items():
                assert branch_tree(place) == new
                back = (PAGES, commit) if commit else ("-d", PAGES)
                git(place, "update-ref", *back)
    assert kills >= 10


def branch_tree(folder: Path) -> dict[str, bytes] | None:
    """Return what the branch holds, None where there is none."""
    return published(folder) if tip(folder) else None


def tip(folder: Path) -> str:
    """Return the commit that the branch is on, nothing where there is none."""
    return git(folder, "for-each-ref", "--format=%(objectname)", PAGES).strip()


# What is not what its report says


def states(settled: Config) -> list[dict[str, bytes]]:
    """Return all that publishing may change: the repository, its remote, the report."""
    return [check.tree(settled.root), check.tree(settled.root.parent / "remote.git")]


def changed(now: list[dict[str, bytes]], before: list[dict[str, bytes]]) -> list[str]:
    return [path for two in zip(now, before, strict=True) for path in check.differing(*two)]


def command(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(main, ["publish", *words])
    return done.exit_code, done.output


def test_a_dry_run_says_what_would_be_done_and_changes_nothing(settled: Config) -> None:
    before = states(settled)
    said = to_pages(settled, dry=True)
    assert said[0].startswith(f"{settled.output} for origin/gh-pages: ")
    assert said[1:] == [
        "origin/gh-pages is not there yet",
        "nothing was changed: this was a dry run",
    ]
    assert changed(states(settled), before) == []
    to_pages(settled)
    remote = settled.root.parent / "remote.git"
    commit_to(remote, "gh-pages", "CNAME", "x.org")
    git(remote, "gc", "--quiet")
    check.write(settled.root, check.storage_run(50))
    build(settled)
    before = states(settled)
    code, text = command("--dry-run")
    assert code == 0
    assert re.search(r"origin/gh-pages: \d+ files added: runs/", text)
    assert re.search(r"origin/gh-pages: \d+ files changed: ", text)
    assert "kept: CNAME" in text
    assert "removed" not in text
    assert changed(states(settled), before) == []
    assert to_pages(settled)[1:3] == text.splitlines()[1:3]  # said before it is done


def test_main_is_refused_where_it_is_checked_out_and_nothing_changes(settled: Config) -> None:
    commit_settings(settled.root)
    git(settled.root, "push", "--quiet", "origin", "main")
    before = states(settled)
    for words in ([], ["--adopt"], ["--dry-run"], ["--despite-damage"]):
        code, text = command("--branch", "main", *words)
        assert code == 2
        assert "main is checked out or being rebased: it would be replaced by the site" in text
    assert changed(states(settled), before) == []


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("archive", "the archive"),
        ("note", "the notes"),
        ("claim", "the claims"),
        ("theme", "the theme"),
        ("settings", "the settings"),
    ],
)
def test_a_site_that_is_older_than_its_report_is_refused(
    settled: Config, what: str, words: str
) -> None:
    root = settled.root
    if what == "archive":
        check.write(root, check.storage_run(50))
    elif what == "note":
        check.note(root, "Words.")
    elif what == "settings":
        (root / "sitegen.toml").write_text(check.TOML.replace("A small", "Another"))
    else:
        file = root / {"claim": "claims/mine.toml", "theme": "theme/style.css"}[what]
        file.parent.mkdir()
        file.write_text("")
    before = git(root, "for-each-ref")
    for more in ([], ["--despite-damage"]):
        code, text = command(*more)
        assert (code, text) == (2, f"sitegen: site: is older than {words}; run `sitegen build`\n")
    assert git(root, "for-each-ref") == before
    build(config.load())
    assert command()[0] == 0


def test_a_site_that_a_later_build_failed_on_is_refused(settled: Config) -> None:
    check.note(settled.root, "{{ nothing }}")
    with pytest.raises(SitegenError):
        build(settled)
    for words in ([], ["--despite-damage"]):
        code, text = command(*words)
        assert code == 2
        assert re.match(
            r"sitegen: site: the last build failed: .*fio\.md:1: .*; mend it, and", text
        )
    (settled.root / "notes" / "fio.md").unlink()
    build(settled)
    assert command()[0] == 0


def test_a_site_that_lacks_damaged_runs_is_refused_until_that_is_said(settled: Config) -> None:
    run = next((settled.root / "archive" / "cvm").iterdir())
    (run / "measurements.parquet").write_bytes(b"")
    build(settled)
    code, text = command()
    assert code == 2
    assert f"lacks runs that are damaged: cvm/{run.name}; `sitegen fsck` says" in text
    assert command("--despite-damage")[0] == 0


def test_what_the_command_line_of_a_build_said_makes_no_site_look_old(
    settled: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = settled.root.parent / "other"
    other.mkdir()
    (settled.root / "archive").rename(other / "archive")
    words = ["build", "--base-url", "https://example.org/x", "--archive", "../other/archive"]
    assert CliRunner().invoke(main, words).exit_code == 0
    (settled.root / "notes").mkdir()
    monkeypatch.chdir(settled.root / "notes")  # from where the settings are found too
    assert command()[0] == 0
    check.write(other, check.storage_run(50))
    again = f"run `sitegen build --archive {other}/archive --base-url https://example.org/x`"
    assert f"is older than the archive; {again}" in command()[1]
    (other / "archive").rename(other / "gone")
    assert "other/archive: no such archive" in command()[1]
