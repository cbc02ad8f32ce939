"""Putting a built site where people read it: the branch that GitHub Pages serves.

The branch holds one commit without a past: a site is rebuilt from its archive, and a branch that
grew by every build would not stay small. So the branch is replaced, and only one that an earlier
publication made: the mark in it (`sitegen.output.Mark`) names every file that is replaced. What
else lies there is kept where it is `CNAME` or declared, and refused otherwise.

git does it by its own means: the commit is written first, and the branch's name moved onto it at
once, if it is still where it was. A publication that is killed has done either all or nothing.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sitegen.errors import SitegenError
from sitegen.output import MARK, Mark

if TYPE_CHECKING:
    from sitegen.config import Config

#: What stays on the branch whatever the settings say: the domain, which GitHub itself writes there.
ALWAYS_KEPT = "CNAME"
_MESSAGE = "Publish the report\n\nBy `sitegen publish`, as the only commit of this branch."
_FETCHED = "refs/sitegen/published"
_SHOWN = 8
_FILE = "100644"


@dataclass(frozen=True, slots=True)
class _Tree:
    """A commit of the branch as it is: its files, each with its mode and object, and its mark."""

    commit: str
    files: Mapping[str, tuple[str, str]]
    mark: Mark | None

    def strangers(self) -> list[str]:
        """Return the files that no publication put there."""
        ours = self.mark.files if self.mark and self.mark.files else {}
        return sorted(path for path in self.files if path not in ours and path != MARK)


def to_branch(
    config: Config, *, branch: str, remote: str, push: bool, adopt: bool = False
) -> list[str]:
    """Commit the built site to ``branch`` as its only commit, push it; return what was done.

    Raises SitegenError when there is no whole site or no git, for a branch that is checked out,
    and for one that sitegen did not make, unless it is to ``adopt`` that one.
    """
    site, git = config.output, _Git(config.root)
    files = _site_files(site)
    _check_names(git, branch, remote)
    ref = f"refs/heads/{branch}"
    here = git.tree(ref)
    there = git.fetched(remote, branch) if push else None
    for known, place in ((there, f"{remote}/{branch}"), (here, branch)):
        if known is not None:
            _check_made(known, place, config.keep, adopt=adopt)
    kept = _kept([known for known in (there, here) if known is not None], config.keep)
    kept = {path: entry for path, entry in kept.items() if path not in files}  # the site's own
    tree = git.write(site, files, kept)
    commit, lines = _commit(git, ref, here, tree)
    done = f"{site} is on branch {branch}"
    if push:
        git.push(remote, commit, ref, there.commit if there else "")
        done += f", pushed to {remote}"
    else:
        done += ", not pushed"
    lines.append(done)
    if kept:
        lines.append(f"kept: {_listed(sorted(kept))}")
    for known, place in ((there, f"{remote}/{branch}"), (here, branch)):
        if adopt and known is not None and (lost := _lost(known, config.keep)):
            lines.append(
                f"replaced in {place}: {_listed(lost)};"
                f" `git branch {branch}-before {known.commit[:12]}` brings them back"
            )
    return lines


def _site_files(site: Path) -> dict[str, Path]:
    """Return the files of a whole site by their paths in it; raises SitegenError otherwise."""
    mark = Mark.read(site)
    if mark is None:
        raise SitegenError("no built site", where=str(site), fix="run `sitegen build` first")
    if not mark.whole:
        raise SitegenError(
            "is not whole: its last build was stopped, or was an older sitegen's",
            where=str(site),
            fix="run `sitegen build` first",
        )
    if missing := mark.missing(site):
        raise SitegenError(
            f"is not whole: {missing} is not as it was built",
            where=str(site),
            fix="run `sitegen build` first",
        )
    found = {}
    for folder, folders, names in os.walk(site):
        folders[:] = [name for name in folders if name != ".git"]
        links = [name for name in folders if Path(folder, name).is_symlink()]
        for name in (*names, *links):
            path = Path(folder, name)
            if path.is_symlink() or not path.is_file():
                raise SitegenError(
                    "is no file: only files can be published", where=str(path), fix="move it away"
                )
            if name != ".git":
                found[path.relative_to(site).as_posix()] = path
    return found


def _check_names(git: _Git, branch: str, remote: str) -> None:
    """Raise SitegenError for a branch or remote that is none, or must not be replaced."""
    if not remote or remote.startswith("-"):
        raise SitegenError(f"{remote!r} is not a remote", where="--remote", fix="such as origin")
    bad = branch.startswith(("-", "refs/")) or branch.upper() in ("HEAD", "@")
    if bad or not git.says("check-ref-format", f"refs/heads/{branch}"):
        raise SitegenError(
            f"{branch!r} is not the name of a branch", where="--branch", fix="such as gh-pages"
        )
    for line in git.asked("worktree", "list", "--porcelain").splitlines():
        if line.casefold() == f"branch refs/heads/{branch}".casefold():
            raise SitegenError(
                f"{branch} is checked out: it would be replaced by the site",
                where="--branch",
                fix="choose another, such as gh-pages",
            )


def _check_made(known: _Tree, place: str, keep: Sequence[str], *, adopt: bool) -> None:
    """Raise SitegenError for a branch with something that nobody said may be replaced."""
    lost = _lost(known, keep)
    if adopt or not lost:
        return
    if known.mark is None or known.mark.files is None:
        raise SitegenError(
            f"was not made by this sitegen, and holds {_listed(lost)}",
            where=place,
            fix="choose another --branch; --adopt replaces all that it holds",
        )
    raise SitegenError(
        f"holds what sitegen did not put there: {_listed(lost)}",
        where=place,
        fix="name it in site.keep of sitegen.toml; --adopt replaces it",
    )


def _lost(known: _Tree, keep: Sequence[str]) -> list[str]:
    return [path for path in known.strangers() if not _is_kept(path, keep)]


def _is_kept(path: str, keep: Iterable[str]) -> bool:
    return any(path == each or path.startswith(f"{each}/") for each in (ALWAYS_KEPT, *keep))


def _kept(trees: Sequence[_Tree], keep: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Return what stays of the branch as it is at the remote and here.

    Raises SitegenError where the two differ in it.
    """
    found: dict[str, tuple[str, str]] = {}
    for known in trees:
        for path in known.strangers():
            if (
                _is_kept(path, keep)
                and found.setdefault(path, known.files[path]) != (known.files[path])
            ):
                raise SitegenError(
                    f"{path} is one thing on the branch here and another at the remote",
                    where="publish",
                    fix="fetch the branch, or delete the one here",
                )
    return found


def _commit(git: _Git, ref: str, here: _Tree | None, tree: str) -> tuple[str, list[str]]:
    """Return the commit that the branch is on now, a new one where its tree is another."""
    if here is not None and git.asked("log", "-1", "--format=%T %P", here.commit) == tree:
        return here.commit, ["nothing has changed since the last publication"]
    commit = git.asked("commit-tree", tree, "-m", _MESSAGE)
    old = here.commit if here else "0" * len(commit)
    git.asked("update-ref", "--no-deref", "-m", "sitegen publish", ref, commit, old)
    return commit, []


def _listed(paths: Sequence[str]) -> str:
    shown = ", ".join(paths[:_SHOWN])
    return f"{shown} and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else shown


class _Git:
    """git in the repository that the report's settings lie in, not the current folder's."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def run(
        self, *argv: str, given: bytes = b"", index: str = ""
    ) -> subprocess.CompletedProcess[bytes]:
        environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0"}
        if index:
            environment["GIT_INDEX_FILE"] = index
        try:
            return subprocess.run(
                ["git", *argv], cwd=self.root, input=given, env=environment, capture_output=True,
                check=False,
            )  # fmt: skip
        except OSError as error:
            raise SitegenError(f"git cannot be run: {error.strerror}", fix="install git") from error

    def says(self, *argv: str) -> bool:
        return self.run(*argv).returncode == 0

    def asked(self, *argv: str, given: bytes = b"", index: str = "") -> str:
        """Return what git answers; raises SitegenError with its last words where it does not."""
        done = self.run(*argv, given=given, index=index)
        if done.returncode:
            words = done.stderr.decode("utf-8", "replace").strip().splitlines()
            told = next((w for w in words if w.startswith(("fatal:", "error:", " !"))), "")
            told = told or (words or ["it failed"])[-1]
            raise SitegenError(
                f"git would not take it: {told.strip()[:200]}",
                where=f"git {argv[0]}",
                fix="check the remote, or use --no-push",
            )
        return done.stdout.decode("utf-8", "surrogateescape").strip()

    def tree(self, ref: str) -> _Tree | None:
        """Return what a ref holds, or None when there is no such ref."""
        found = self.run("rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}")
        if found.returncode:
            return None
        commit = found.stdout.decode().strip()
        files = {}
        for row in self.asked("ls-tree", "-r", "-z", commit).split("\0"):
            if row:
                about, _, path = row.partition("\t")
                mode, _, blob = about.split(" ")
                files[path] = (mode, blob)
        mark = None
        if MARK in files:
            mark = Mark.parse(self.run("cat-file", "blob", files[MARK][1]).stdout)
        return _Tree(commit, files, mark)

    def fetched(self, remote: str, branch: str) -> _Tree | None:
        """Return the branch as it is at the remote, or None when it is not there."""
        listed = self.asked("ls-remote", "--heads", "--", remote, f"refs/heads/{branch}")
        if not listed:
            return None
        spec = f"+refs/heads/{branch}:{_FETCHED}"
        self.asked("fetch", "--quiet", "--no-tags", "--", remote, spec)
        try:
            return self.tree(_FETCHED)
        finally:
            self.run("update-ref", "-d", _FETCHED)

    def write(
        self, site: Path, files: Mapping[str, Path], kept: Mapping[str, tuple[str, str]]
    ) -> str:
        """Return a tree of the site's files, byte for byte, and of what is kept of the branch."""
        names = list(files)
        if strange := next((name for name in names if "\n" in name), None):
            raise SitegenError("has a line break in its name", where=str(site / strange))
        paths = "".join(f"{files[name].absolute()}\n" for name in names).encode(
            "utf-8", "surrogateescape"
        )
        blobs = self.asked(
            "hash-object", "-w", "--no-filters", "--stdin-paths", given=paths
        ).split()
        rows = [(_FILE, blob, name) for blob, name in zip(blobs, names, strict=True)]
        rows += [(mode, blob, path) for path, (mode, blob) in kept.items()]
        listing = "".join(f"{mode} {blob}\t{path}\0" for mode, blob, path in rows).encode(
            "utf-8", "surrogateescape"
        )
        with tempfile.TemporaryDirectory(prefix="sitegen-publish-") as folder:
            index = f"{folder}/index"
            self.asked("update-index", "-z", "--index-info", given=listing, index=index)
            return self.asked("write-tree", index=index)

    def push(self, remote: str, commit: str, ref: str, old: str) -> None:
        """Replace the branch at the remote, if it is still as it was looked at."""
        self.asked(
            "push", "--quiet", f"--force-with-lease={ref}:{old}", "--", remote, f"{commit}:{ref}"
        )
