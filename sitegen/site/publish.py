"""Putting a built site where people read it: the branch that GitHub Pages serves.

The branch holds one commit without a past: a site is rebuilt from its archive, and a branch that
grew by every build would not stay small. So the branch is replaced, and only where all that it
holds was put there by an earlier publication: files that the mark in it lists
(`sitegen.site.folder.Mark`), in a commit that nothing was added to. What else lies there is kept
where it is `CNAME` or declared, and stops the publication otherwise.

git does it by its own means: the commit is written first, and the branch's name moved onto it at
once, if it is still where it was. A publication that is killed has done either all or nothing.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from sitegen import bounds
from sitegen.errors import SitegenError, few, many
from sitegen.site import standing
from sitegen.site.folder import MARK, Mark, digest_of

if TYPE_CHECKING:
    from sitegen.config import Config

#: What stays on the branch whatever the settings say: the domain, which GitHub itself writes there.
ALWAYS_KEPT = "CNAME"
_MESSAGE = "Publish the report\n\nBy `sitegen publish`, as the only commit of this branch."
_SHOWN = 8
_MAX_FILE = 2_000_000_000
#: What would lead git to another repository than that of the report.
_ELSEWHERE = (
    "GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_NAMESPACE", "GIT_PREFIX",
)  # fmt: skip
_AGAIN = "run `sitegen build` first"
_REMOTE = "check the remote, or use --no-push"
#: A file in a tree: its mode and its object.
Blob = tuple[str, str]


class _Branch(Struct, frozen=True):
    """A branch as it is; ``kept`` and ``lost`` are what no publication put there.

    The one is to stay, the other would be replaced. ``ours`` says that one made the branch, and
    ``files`` are all of its.
    """

    place: str
    commit: str
    ours: bool
    files: Mapping[str, Blob]
    kept: Mapping[str, Blob]
    lost: tuple[str, ...]


def to_branch(  # noqa: PLR0913 - where to, and how
    config: Config,
    *,
    branch: str,
    remote: str,
    push: bool,
    adopt: bool = False,
    dry: bool = False,
    despite_damage: bool = False,
) -> Iterator[str]:
    """Commit the built site to ``branch`` as its only commit, push it; say what is done.

    What will be replaced is said before it is; a ``dry`` publication ends there, and changes
    nothing. Raises SitegenError when there is no whole site or no git, for one that is not what
    its report says (`sitegen.site.standing`), for a branch that is checked out, and for one that
    holds what sitegen did not put there, unless it is to ``adopt`` that one.
    """
    keep = (ALWAYS_KEPT, *config.keep)
    contents, others = _site_files(config.output, keep)
    standing.check(config, despite_damage=despite_damage)
    git = _Git(config.root, keep)
    _check_names(git, branch, remote)
    with git.aside() if dry else contextlib.nullcontext():
        ref = f"refs/heads/{branch}"
        here = git.branch(ref, branch)
        _check_free(git, branch, here)
        there = git.fetched(remote, branch) if push else None
        branches = [one for one in (there, here) if one is not None]
        if not adopt:
            _check_made(branches)
        files = git.blobs(config.output, contents)
        kept = _with_kept(files, branches)
        size = sum(map(len, contents.values()))
        place = f"{remote}/{branch}" if push else branch
        yield f"{config.output} for {place}: {many(len(files), 'file')}, {size / 1e6:.1f} MB"
        yield from _replaced(place, files, there if push else here)
        yield from kept
        if others:
            yield f"not published, for no build made it: {few(others, _SHOWN)} (see site.keep)"
        if dry:
            yield "nothing was changed: this was a dry run"
            return
        tree = git.tree(files)
        if here is not None and git.output("log", "-1", "--format=%T%P", here.commit) == tree:
            commit = here.commit
            yield "nothing has changed since the last publication"
        else:
            commit = git.output("commit-tree", tree, "-m", _MESSAGE)
            old = here.commit if here else "0" * len(commit)
            git.output("update-ref", "--no-deref", "-m", "sitegen publish", ref, commit, old)
        if push:  # if the branch there is still as it was looked at
            lease = f"--force-with-lease={ref}:{there.commit if there else ''}"
            git.output("push", "--quiet", lease, "--", remote, f"{commit}:{ref}", fix=_REMOTE)
    done = f"pushed to {remote}" if push else "not pushed"
    yield f"{config.output} is on branch {branch}, {done}"
    for one in branches:
        if one.lost:
            again = f"`git branch {branch}-before {one.commit[:12]}` brings them back"
            yield f"replaced in {one.place}: {few(one.lost, _SHOWN)}; {again}"


def _replaced(place: str, files: Mapping[str, Blob], old: _Branch | None) -> Iterator[str]:
    """Say what a branch has now, and what of it comes, changes and goes."""
    if old is None:
        yield f"{place} is not there yet"
        return
    before = old.files
    parts = {
        "added": [path for path in files if path not in before],
        "changed": [path for path in files if before.get(path, files[path]) != files[path]],
        "removed": [path for path in before if path not in files],
    }
    for what, paths in parts.items():
        if paths:
            yield f"{place}: {many(len(paths), 'file')} {what}: {few(sorted(paths), _SHOWN)}"
    if not any(parts.values()):
        yield f"{place} has the same files already"


def _site_files(site: Path, keep: Sequence[str]) -> tuple[dict[str, bytes], list[str]]:
    """Return the files of a whole site, with those to be kept that lie in it; and the others.

    Raises SitegenError for a site that is not whole, or has a file that is not as the last build
    made it: a build may be at work.
    """
    mark = Mark.read(site)
    if mark is None:
        raise SitegenError("no built site", where=str(site), fix=_AGAIN)
    if not mark.whole or mark.files is None:
        message = "is not whole: its last build was stopped, or was an older sitegen's"
        raise SitegenError(message, where=str(site), fix=_AGAIN)
    files: dict[str, bytes] = {}
    for path in (MARK, *mark.files):
        try:
            files[path] = bounds.read_file(site / path, _MAX_FILE)
        except SitegenError:
            files[path] = b""
        if not (mark.lists(path, files[path]) or digest_of(files[path]) == mark.digest):
            message = f"is not whole: {path} is not as it was built"
            raise SitegenError(message, where=str(site), fix=_AGAIN)
    others = []
    for place in sorted(site.rglob("*")):
        path = place.relative_to(site).as_posix()
        folder = place.is_dir() and not place.is_symlink()
        if folder or path in files or ".git" in path.split("/"):
            continue
        if not _is_kept(path, keep):
            others.append(path)
        elif place.is_symlink():
            raise SitegenError("is a link, not a file", where=str(place), fix="move it away")
        else:
            files[path] = bounds.read_file(place, _MAX_FILE)
    return files, sorted(others)


def _check_names(git: _Git, branch: str, remote: str) -> None:
    """Raise SitegenError for a branch or remote that is none."""
    if not remote or remote.startswith("-"):
        raise SitegenError(f"{remote!r} is not a remote", where="--remote", fix="such as origin")
    if not git.succeeds("rev-parse", "--git-dir"):
        fix = "`git init` there, and `git remote add origin ADDRESS`"
        raise SitegenError("is in no git repository", where=str(git.root.absolute()), fix=fix)
    bad = branch.startswith(("-", "refs/")) or branch.upper() in ("HEAD", "@")
    if bad or not git.succeeds("check-ref-format", f"refs/heads/{branch}"):
        message = f"{branch!r} is not the name of a branch"
        raise SitegenError(message, where="--branch", fix="such as gh-pages")


def _check_free(git: _Git, branch: str, here: _Branch | None) -> None:
    """Raise SitegenError for a branch that is checked out somewhere, or being rebased."""
    name = f"branch refs/heads/{branch}".casefold()
    listed = git.output("worktree", "list", "--porcelain").splitlines()
    # git itself moves no branch that is in use, not even to where it is.
    used = here is not None and not git.succeeds("branch", "--force", "--", branch, here.commit)
    if used or name in map(str.casefold, listed):
        message = f"{branch} is checked out or being rebased: it would be replaced by the site"
        raise SitegenError(message, where="--branch", fix="choose another, such as gh-pages")


def _check_made(branches: Sequence[_Branch]) -> None:
    """Raise SitegenError for a branch with something that nobody said may be replaced."""
    for branch in branches:
        if branch.lost:
            message = "was not made by this sitegen, and holds "
            fix = "choose another --branch; --adopt replaces all that it holds"
            if branch.ours:
                message = "holds what sitegen did not put there: "
                fix = "name it in site.keep of sitegen.toml; --adopt replaces it"
            raise SitegenError(message + few(branch.lost, _SHOWN), where=branch.place, fix=fix)


def _is_kept(path: str, keep: Iterable[str]) -> bool:
    return any(path == each or path.startswith(f"{each}/") for each in keep)


def _with_kept(files: dict[str, Blob], branches: Sequence[_Branch]) -> list[str]:
    """Add what stays of the branch to the files of the site; return a line that names it.

    The remote, the first, decides where there is one: what was taken away there is gone. Raises
    SitegenError where a file is one thing at the remote and another in commits that were made
    here, or the site has such a file itself: one of the two would be lost.
    """
    kept = branches[0].kept if branches else {}
    folders = {str(parent) for path in files for parent in Path(path).parents}
    for path, blob in kept.items():
        problem = fix = ""
        if branches[-1].kept.get(path, blob) != blob:
            problem = f"{path} is one thing on the branch here and another at the remote"
            fix = "fetch the branch, or delete the one here"
        above = next((str(p) for p in Path(path).parents if str(p) in files), "")
        if not problem and (files.get(path, blob) != blob or path in folders or above):
            problem = f"{path} is to be kept on the branch, and the site has {above or path} itself"
            fix = "take it out of site.keep, or out of the site's folder"
        if problem:
            raise SitegenError(problem, where="publish", fix=fix)
        files[path] = blob
    return [f"kept: {few(sorted(kept), _SHOWN)}"] if kept else []


class _Git:
    """git in the repository that the report's settings lie in, wherever it is called from."""

    def __init__(self, root: Path, keep: Sequence[str]) -> None:
        self.root = root
        self.keep = keep
        self._objects: dict[str, str] = {}

    @contextlib.contextmanager
    def aside(self) -> Iterator[None]:
        """Have what is written meanwhile in a folder of its own, which is removed."""
        own = self.root / self.output("rev-parse", "--git-path", "objects")
        with tempfile.TemporaryDirectory() as folder:
            self._objects = {
                "GIT_OBJECT_DIRECTORY": folder,
                "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(own.absolute()),
            }
            try:
                yield
            finally:
                self._objects = {}

    def run(
        self,
        *argv: str,
        stdin: bytes = b"",
        cwd: Path | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[bytes]:
        environment = {name: text for name, text in os.environ.items() if name not in _ELSEWHERE}
        environment |= {"GIT_TERMINAL_PROMPT": "0", **self._objects, **(variables or {})}
        try:
            return subprocess.run(
                ["git", *argv], cwd=cwd or self.root, input=stdin, env=environment,
                capture_output=True, check=False,
            )  # fmt: skip
        except OSError as error:
            raise SitegenError(f"git cannot be run: {error.strerror}", fix="install git") from error

    def succeeds(self, *argv: str) -> bool:
        return self.run(*argv).returncode == 0

    def output(self, *argv: str, stdin: bytes = b"", fix: str = "", **options: Any) -> str:  # noqa: ANN401 - run's
        """Return what git answers; raises SitegenError with its last words where it does not."""
        done = self.run(*argv, stdin=stdin, **options)
        if done.returncode:
            words = done.stderr.decode("utf-8", "replace").strip().splitlines()
            reason = next((w for w in words if w.startswith(("fatal:", "error:", " !"))), "")
            reason = reason or (words or ["it failed"])[-1]
            raise SitegenError(
                f"git would not take it: {reason.strip()[:200]}",
                where=f"git {argv[0]}",
                fix=fix or "the words after `fatal` or `error` are git's own",
            )
        return done.stdout.decode("utf-8", "surrogateescape").removesuffix("\n")

    def branch(self, ref: str, place: str) -> _Branch | None:
        """Return what a ref holds, or None when there is no such ref."""
        done = self.run("rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}")
        if done.returncode:
            return None
        commit = done.stdout.decode().strip()
        files = self._files(commit)
        first = self.output("rev-list", "--max-parents=0", commit).split()
        # What was committed on top of a publication is somebody else's.
        first_files = self._files(first[0]) if len(first) == 1 else {}
        mark = None
        if MARK in first_files:
            mark = Mark.parse(self.run("cat-file", "blob", first_files[MARK][1]).stdout)
        listed = {MARK, *mark.files} if mark and mark.whole and mark.files is not None else set()
        strange = sorted(p for p in files if p not in listed or files[p] != first_files.get(p))
        kept = {path: files[path] for path in strange if _is_kept(path, self.keep)}
        lost = tuple(path for path in strange if path not in kept)
        return _Branch(place, commit, bool(listed), files, kept, lost)

    def _files(self, commit: str) -> dict[str, Blob]:
        rows = self.output("ls-tree", "-r", "-z", commit).split("\0")[:-1]
        pairs = (row.partition("\t") for row in rows)
        return {path: (about.split()[0], about.split()[2]) for about, _, path in pairs}

    def fetched(self, remote: str, branch: str) -> _Branch | None:
        """Return the branch as it is at the remote, or None when it is not there."""
        ref = f"refs/heads/{branch}"
        named = remote in self.output("remote").splitlines()
        fix = _REMOTE if named else f"`git remote add {remote} ADDRESS`, or use --no-push"
        listed = self.output("ls-remote", "--heads", "--", remote, ref, fix=fix)
        if not listed:
            return None
        quiet = ("--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance")
        argv = ("fetch", *quiet, "--refmap=", "--", remote, ref)
        self.output(*argv, fix=_REMOTE)
        return self.branch(listed.split()[0], f"{remote}/{branch}")

    def blobs(self, site: Path, files: Mapping[str, bytes]) -> dict[str, Blob]:
        """Return the files of a site as git has them, byte for byte.

        Raises SitegenError for a site that changes meanwhile.
        """
        if strange := next((path for path in files if "\n" in path or "\r" in path), None):
            raise SitegenError("has a line break in its name", where=str(site / strange))
        kind = self.output("rev-parse", "--show-object-format")
        blobs = [
            hashlib.new(kind, b"blob %d\0" % len(data) + data).hexdigest()
            for data in files.values()
        ]
        names = "".join(f"{name}\n" for name in files).encode("utf-8", "surrogateescape")
        argv = ("hash-object", "-w", "--no-filters", "--stdin-paths")
        git_dir = {"GIT_DIR": self.output("rev-parse", "--absolute-git-dir")}
        if self.output(*argv, stdin=names, cwd=site, variables=git_dir).split() != blobs:
            message = "has changed while it was published: a build is at work"
            raise SitegenError(message, where=str(site), fix="publish again when it is done")
        return {path: ("100644", blob) for path, blob in zip(files, blobs, strict=True)}

    def tree(self, files: Mapping[str, Blob]) -> str:
        """Return a tree of these files, written through an index of its own."""
        rows = "".join(f"{mode} {blob}\t{path}\0" for path, (mode, blob) in files.items())
        entries = rows.encode("utf-8", "surrogateescape")
        with tempfile.TemporaryDirectory() as folder:
            index = {"GIT_INDEX_FILE": f"{folder}/index"}
            self.output("update-index", "-z", "--index-info", stdin=entries, variables=index)
            return self.output("write-tree", variables=index)
