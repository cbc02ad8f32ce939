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

import hashlib
import os
import subprocess
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sitegen import bounds
from sitegen.errors import SitegenError
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


@dataclass(frozen=True, slots=True)
class _Branch:
    """A branch as it is: its commit and its files, and which of them no publication put there."""

    place: str
    commit: str
    files: Mapping[str, Blob]
    ours: bool
    strange: tuple[str, ...]


def to_branch(
    config: Config, *, branch: str, remote: str, push: bool, adopt: bool = False
) -> list[str]:
    """Commit the built site to ``branch`` as its only commit, push it; return what was done.

    Raises SitegenError when there is no whole site or no git, for a branch that is checked out,
    and for one that holds what sitegen did not put there, unless it is to ``adopt`` that one.
    """
    keep = (ALWAYS_KEPT, *config.keep)
    _whole(config.output)
    git = _Git(config.root)
    _check_names(git, branch, remote)
    ref = f"refs/heads/{branch}"
    here = git.branch(ref, branch)
    _check_free(git, branch, here)
    there = git.fetched(remote, branch) if push else None
    known = [each for each in (there, here) if each is not None]
    for each in known:
        _check_made(each, keep, adopt=adopt)
    files, others = git.blobs(config.output, keep)
    kept = _kept(here, there, keep)
    lines = _with_kept(files, kept)
    if others:
        lines.append(f"not published, for no build made it: {_listed(others)} (see site.keep)")
    commit, told = _commit(git, ref, here, git.tree(files))
    if push:
        git.push(remote, commit, ref, there.commit if there else "")
    done = f"pushed to {remote}" if push else "not pushed"
    lines += [*told, f"{config.output} is on branch {branch}, {done}"]
    return [
        *lines,
        *(
            f"replaced in {each.place}: {_listed(lost)};"
            f" `git branch {branch}-before {each.commit[:12]}` brings them back"
            for each in known
            if (lost := _lost(each, keep))
        ),
    ]


def _whole(site: Path) -> tuple[Mark, Mapping[str, Any]]:
    """Return the mark of a site and the files that it lists; raises SitegenError when not whole."""
    mark = Mark.read(site)
    if mark is None:
        raise SitegenError("no built site", where=str(site), fix=_AGAIN)
    if not mark.whole or mark.files is None:
        raise SitegenError(
            "is not whole: its last build was stopped, or was an older sitegen's",
            where=str(site),
            fix=_AGAIN,
        )
    return mark, mark.files


def _site_files(site: Path, keep: Sequence[str]) -> tuple[dict[str, bytes], list[str]]:
    """Return the files of a whole site, with those to be kept that lie in it; and the others.

    Raises SitegenError for a site that is not whole, or has a file that is not as the last build
    made it: a build may be at work.
    """
    mark, listed = _whole(site)
    found: dict[str, bytes] = {}
    for path in (MARK, *listed):
        try:
            found[path] = bounds.read_file(site / path, _MAX_FILE)
        except SitegenError:
            found[path] = b""
        if not (mark.made(path, found[path]) or digest_of(found[path]) == mark.digest):
            raise SitegenError(
                f"is not whole: {path} is not as it was built", where=str(site), fix=_AGAIN
            )
    others = []
    for path, place in _walked(site):
        if path not in found and not _is_kept(path, keep):
            others.append(path)
        elif path not in found:
            if place.is_symlink():
                raise SitegenError("is a link, not a file", where=str(place), fix="move it away")
            found[path] = bounds.read_file(place, _MAX_FILE)
    return found, sorted(others)


def _walked(site: Path) -> Iterator[tuple[str, Path]]:
    """Yield every file and link below a site's folder, but for a repository's own."""
    for folder, folders, names in os.walk(site):
        folders[:] = [name for name in folders if name != ".git"]
        links = [name for name in folders if Path(folder, name).is_symlink()]
        for place in (Path(folder, name) for name in (*names, *links)):
            if place.name != ".git":
                yield place.relative_to(site).as_posix(), place


def _check_names(git: _Git, branch: str, remote: str) -> None:
    """Raise SitegenError for a branch or remote that is none."""
    if not remote or remote.startswith("-"):
        raise SitegenError(f"{remote!r} is not a remote", where="--remote", fix="such as origin")
    git.asked("rev-parse", "--git-dir", fix="the report's repository is that of sitegen.toml")
    bad = branch.startswith(("-", "refs/")) or branch.upper() in ("HEAD", "@")
    if bad or not git.says("check-ref-format", f"refs/heads/{branch}"):
        raise SitegenError(
            f"{branch!r} is not the name of a branch", where="--branch", fix="such as gh-pages"
        )


def _check_free(git: _Git, branch: str, here: _Branch | None) -> None:
    """Raise SitegenError for a branch that is checked out somewhere, or being rebased."""
    name = f"branch refs/heads/{branch}".casefold()
    listed = git.asked("worktree", "list", "--porcelain").splitlines()
    # git itself moves no branch that is in use, not even to where it is.
    used = here is not None and not git.says("branch", "--force", "--", branch, here.commit)
    if used or name in map(str.casefold, listed):
        raise SitegenError(
            f"{branch} is checked out or being rebased: it would be replaced by the site",
            where="--branch",
            fix="choose another, such as gh-pages",
        )


def _check_made(known: _Branch, keep: Sequence[str], *, adopt: bool) -> None:
    """Raise SitegenError for a branch with something that nobody said may be replaced."""
    lost = _lost(known, keep)
    if adopt or not lost:
        return
    if not known.ours:
        raise SitegenError(
            f"was not made by this sitegen, and holds {_listed(lost)}",
            where=known.place,
            fix="choose another --branch; --adopt replaces all that it holds",
        )
    raise SitegenError(
        f"holds what sitegen did not put there: {_listed(lost)}",
        where=known.place,
        fix="name it in site.keep of sitegen.toml; --adopt replaces it",
    )


def _lost(known: _Branch, keep: Sequence[str]) -> list[str]:
    return [path for path in known.strange if not _is_kept(path, keep)]


def _is_kept(path: str, keep: Iterable[str]) -> bool:
    return any(path == each or path.startswith(f"{each}/") for each in keep)


def _kept(here: _Branch | None, there: _Branch | None, keep: Sequence[str]) -> dict[str, Blob]:
    """Return what stays of the branch.

    The remote decides where there is one: what was taken away there is gone. Raises SitegenError
    where a file is one thing at the remote and another in commits that were made here.
    """
    found: dict[str, Blob] = {}
    for known in (there, here if here and (there is None or here.strange) else None):
        for path in known.strange if known else ():
            if known is None or not _is_kept(path, keep):
                continue
            if there and known is here and path not in found:
                continue
            if found.setdefault(path, known.files[path]) != known.files[path]:
                raise SitegenError(
                    f"{path} is one thing on the branch here and another at the remote",
                    where="publish",
                    fix="fetch the branch, or delete the one here",
                )
    return found


def _with_kept(files: dict[str, Blob], kept: Mapping[str, Blob]) -> list[str]:
    """Add what is kept to the files of the site; return a line that names it.

    Raises SitegenError where the site has such a file itself: one of the two would be lost.
    """
    folders = {str(parent) for path in files for parent in Path(path).parents}
    for path, blob in kept.items():
        above = next((str(p) for p in Path(path).parents if str(p) in files), "")
        if files.get(path, blob) != blob or path in folders or above:
            raise SitegenError(
                f"{path} is to be kept on the branch, and the site has {above or path} itself",
                where="publish",
                fix="take it out of site.keep, or out of the site's folder",
            )
        files[path] = blob
    return [f"kept: {_listed(sorted(kept))}"] if kept else []


def _commit(git: _Git, ref: str, here: _Branch | None, tree: str) -> tuple[str, list[str]]:
    """Return the commit that the branch is on now, a new one where its tree is another."""
    if here is not None and git.asked("log", "-1", "--format=%T%P", here.commit) == tree:
        return here.commit, ["nothing has changed since the last publication"]
    commit = git.asked("commit-tree", tree, "-m", _MESSAGE)
    old = here.commit if here else "0" * len(commit)
    git.asked("update-ref", "--no-deref", "-m", "sitegen publish", ref, commit, old)
    return commit, []


def _listed(paths: Sequence[str]) -> str:
    shown = ", ".join(paths[:_SHOWN])
    return f"{shown} and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else shown


class _Git:
    """git in the repository that the report's settings lie in, wherever it is called from."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def run(
        self, *argv: str, given: bytes = b"", cwd: Path | None = None, git_dir: str = ""
    ) -> subprocess.CompletedProcess[bytes]:
        environment = {name: text for name, text in os.environ.items() if name not in _ELSEWHERE}
        environment["GIT_TERMINAL_PROMPT"] = "0"
        if git_dir:
            environment["GIT_DIR"] = git_dir
        try:
            return subprocess.run(
                ["git", *argv], cwd=cwd or self.root, input=given, env=environment,
                capture_output=True, check=False,
            )  # fmt: skip
        except OSError as error:
            raise SitegenError(f"git cannot be run: {error.strerror}", fix="install git") from error

    def says(self, *argv: str) -> bool:
        return self.run(*argv).returncode == 0

    def asked(self, *argv: str, given: bytes = b"", fix: str = "", **how: Any) -> str:  # noqa: ANN401 - run's
        """Return what git answers; raises SitegenError with its last words where it does not."""
        done = self.run(*argv, given=given, **how)
        if done.returncode:
            words = done.stderr.decode("utf-8", "replace").strip().splitlines()
            told = next((w for w in words if w.startswith(("fatal:", "error:", " !"))), "")
            told = told or (words or ["it failed"])[-1]
            raise SitegenError(
                f"git would not take it: {told.strip()[:200]}",
                where=f"git {argv[0]}",
                fix=fix or "the words after `fatal` or `error` are git's own",
            )
        return done.stdout.decode("utf-8", "surrogateescape").removesuffix("\n")

    def branch(self, ref: str, place: str) -> _Branch | None:
        """Return what a ref holds, or None when there is no such ref."""
        found = self.run("rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}")
        if found.returncode:
            return None
        commit = found.stdout.decode().strip()
        files = self._files(commit)
        first = self.asked("rev-list", "--max-parents=0", commit).split()
        # What was committed on top of a publication is somebody else's.
        made = self._files(first[0]) if len(first) == 1 else {}
        mark = None
        if MARK in made:
            mark = Mark.parse(self.run("cat-file", "blob", made[MARK][1]).stdout)
        listed = {MARK, *mark.files} if mark and mark.whole and mark.files is not None else set()
        strange = [path for path in files if path not in listed or files[path] != made.get(path)]
        return _Branch(place, commit, files, bool(listed), tuple(sorted(strange)))

    def _files(self, commit: str) -> dict[str, Blob]:
        files = {}
        for row in self.asked("ls-tree", "-r", "-z", commit).split("\0"):
            if row:
                about, _, path = row.partition("\t")
                mode, _, blob = about.split(" ")
                files[path] = (mode, blob)
        return files

    def fetched(self, remote: str, branch: str) -> _Branch | None:
        """Return the branch as it is at the remote, or None when it is not there."""
        ref = f"refs/heads/{branch}"
        listed = self.asked("ls-remote", "--heads", "--", remote, ref, fix=_REMOTE)
        if not listed:
            return None
        argv = ("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--", remote, ref)
        self.asked(*argv, fix=_REMOTE)
        return self.branch(listed.split()[0], f"{remote}/{branch}")

    def blobs(self, site: Path, keep: Sequence[str]) -> tuple[dict[str, Blob], list[str]]:
        """Return what `_site_files` does, the files as git has them, byte for byte.

        Raises SitegenError for a site that is not whole, or changes meanwhile.
        """
        files, others = _site_files(site, keep)
        if strange := next((path for path in files if "\n" in path or "\r" in path), None):
            raise SitegenError("has a line break in its name", where=str(site / strange))
        kind = self.asked("rev-parse", "--show-object-format")
        wanted = {
            path: hashlib.new(kind, b"blob %d\0" % len(data) + data).hexdigest()
            for path, data in files.items()
        }
        names = list(files)
        given = "".join(f"{name}\n" for name in names).encode("utf-8", "surrogateescape")
        argv = ("hash-object", "-w", "--no-filters", "--stdin-paths")
        git_dir = self.asked("rev-parse", "--absolute-git-dir")
        done = self.asked(*argv, given=given, cwd=site, git_dir=git_dir).split()
        if done != [wanted[name] for name in names]:
            raise SitegenError(
                "has changed while it was published: a build is at work",
                where=str(site),
                fix="publish again when it is done",
            )
        return {path: ("100644", blob) for path, blob in wanted.items()}, others

    def tree(self, files: Mapping[str, Blob]) -> str:
        """Return a tree of these files, written from the deepest folder up."""
        entries: defaultdict[str, list[tuple[str, str, str]]] = defaultdict(list)
        for path, (mode, blob) in files.items():
            folder, _, name = path.rpartition("/")
            entries[folder].append((mode, blob, name))
            for parent in Path(folder).parents if folder else ():
                entries.setdefault("" if str(parent) == "." else str(parent), [])
        made: dict[str, str] = {}
        for depth in sorted({_depth(folder) for folder in entries}, reverse=True):
            level = [folder for folder in entries if _depth(folder) == depth]
            given = b"\n".join(
                b"".join(_row(mode, blob, name) for mode, blob, name in entries[folder])
                for folder in level
            )
            made |= zip(level, self.asked("mktree", "--batch", given=given).split(), strict=True)
            for folder in level if depth else ():
                above, _, name = folder.rpartition("/")
                entries[above].append(("40000", made[folder], name))
        return made[""]

    def push(self, remote: str, commit: str, ref: str, old: str) -> None:
        """Replace the branch at the remote, if it is still as it was looked at."""
        lease = f"--force-with-lease={ref}:{old}"
        self.asked("push", "--quiet", lease, "--", remote, f"{commit}:{ref}", fix=_REMOTE)


def _depth(folder: str) -> int:
    return folder.count("/") + 1 if folder else 0


def _row(mode: str, name_of: str, name: str) -> bytes:
    """Return one line of a tree; a name with odd characters is quoted as git does."""
    kind = {"40000": "tree", "160000": "commit"}.get(mode, "blob")
    data = name.encode("utf-8", "surrogateescape")
    if any(byte < 32 or byte > 126 or byte in b'"\\' for byte in data):  # noqa: PLR2004 - printable ASCII
        data = b'"' + b"".join(b"\\%03o" % byte for byte in data) + b'"'
    return f"{mode} {kind} {name_of}\t".encode() + data + b"\n"
