"""Publishing: the branch holds the site and nothing else, in one commit."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from sitegen import publish
from sitegen.build import build
from sitegen.config import Config
from sitegen.errors import SitegenError
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
    names = git(folder, "ls-tree", "-r", "--name-only", "-z", branch).split("\0")[:-1]
    return {
        name: subprocess.run(
            ["git", "-C", str(folder), "show", f"{branch}:{name}"], capture_output=True, check=True
        ).stdout
        for name in names
    }


def test_the_branch_at_the_remote_holds_the_site_and_nothing_else(settled: Config) -> None:
    said = publish.to_branch(settled, branch="gh-pages", remote="origin", push=True)
    assert "pushed to origin" in said
    remote = settled.root.parent / "remote.git"
    assert check.differing(published(remote), check.tree(settled.output)) == []
    assert ".nojekyll" in published(remote)


def test_publishing_again_leaves_one_commit(settled: Config) -> None:
    publish.to_branch(settled, branch="gh-pages", remote="origin", push=True)
    check.write(settled.root, check.storage_run(50))
    build(settled)
    publish.to_branch(settled, branch="gh-pages", remote="origin", push=True)
    remote = settled.root.parent / "remote.git"
    assert git(remote, "rev-list", "--count", "gh-pages").strip() == "1"
    assert check.differing(published(remote), check.tree(settled.output)) == []


def test_without_pushing_only_the_branch_here_changes(settled: Config) -> None:
    said = publish.to_branch(settled, branch="pages", remote="origin", push=False)
    assert "not pushed" in said
    assert check.differing(published(settled.root, "pages"), check.tree(settled.output)) == []
    assert git(settled.root.parent / "remote.git", "branch", "--list") == ""
    assert git(settled.root, "status", "--short").splitlines()[0].startswith("??")


def test_the_checked_out_branch_and_its_files_are_left_alone(settled: Config) -> None:
    git(settled.root, "add", "sitegen.toml")
    git(settled.root, "commit", "--quiet", "-m", "A report")
    before = git(settled.root, "rev-parse", "HEAD")
    publish.to_branch(settled, branch="gh-pages", remote="origin", push=True)
    assert git(settled.root, "rev-parse", "HEAD") == before
    assert git(settled.root, "symbolic-ref", "--short", "HEAD").strip() == "main"
    assert (settled.root / "sitegen.toml").is_file()


def test_the_repository_is_the_one_beside_the_report(
    settled: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    publish.to_branch(settled, branch="gh-pages", remote="origin", push=True)
    assert check.differing(published(tmp_path / "remote.git"), check.tree(settled.output)) == []


def test_without_a_site_it_says_what_to_run(settled: Config) -> None:
    elsewhere = replace(settled, output=settled.root / "nothing")
    with pytest.raises(SitegenError, match="sitegen build"):
        publish.to_branch(elsewhere, branch="gh-pages", remote="origin", push=True)


def test_a_folder_that_is_not_a_site_is_not_published(settled: Config) -> None:
    with pytest.raises(SitegenError, match="no built site"):
        publish.to_branch(
            replace(settled, output=settled.root), branch="gh-pages", remote="origin", push=True
        )


def test_a_remote_that_is_not_there_is_one_line(settled: Config) -> None:
    with pytest.raises(SitegenError, match="git would not take it") as caught:
        publish.to_branch(settled, branch="gh-pages", remote="nowhere", push=True)
    assert "\n" not in str(caught.value)
