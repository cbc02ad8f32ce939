"""A new report: the files that it begins with, each written only where there is none.

What can be known is taken from where it stands: the title and the address of the site from the
repository's remote, its platforms from the runs that are there. Nothing is asked.
"""

from __future__ import annotations

import os
import re
import subprocess
import textwrap
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct

from sitegen import __version__, config, distribution, fingerprint, redact, resources, toml
from sitegen.analysis.selection import environments, observed
from sitegen.archive import library
from sitegen.archive.store import NoArchive
from sitegen.config import (
    FOLDERS,
    ROLE_WORDS,
    Config,
    EnvironmentTable,
    Key,
    Price,
    Role,
    SiteTable,
    StorageTable,
    keys,
)
from sitegen.model import AnyRun

#: What a report is built with, in its workflow: its pages, and the pictures of links to them.
EXTRAS = "report,images"
_REMOTE = re.compile(r"(?:^|[/@])github\.com[:/]([\w-]+)/([\w.-]+?)(?:\.git)?/?$")
_LINK = re.compile(r"\[([^]]+)\]\([^)]+\)")
_HEAD = """\
# The settings of this report. No key is needed: what is commented out is the default, else an
# example.
# All of it: {address}/blob/main/docs/settings.md

[site]
"""
_ENVIRONMENTS = """\
# A platform is an environment: the label that its runs are collected under. Without a table its
# role and its TEE are what the machine shows, and the only one without a TEE is the baseline.
"""
_AN_EXAMPLE = "cvm"
_LABELS = {"metal": "metal", "vm": "vm", "cpu-tee": "cvm", "gpu-tee": "gpu-cvm"}
_WIDTH = 96


class Begun(Struct, frozen=True):
    """What `init` did: the files that it wrote, those that it left alone, and what to do next.

    ``ignore`` are lines that the `.gitignore` that was there lacks.
    """

    folder: Path
    written: tuple[str, ...]
    left: tuple[str, ...]
    ignore: tuple[str, ...]
    declared: tuple[str, ...]


class Repository(Struct, frozen=True):
    """What git says of the folder: its top, the report's place in it, its branch, its remote."""

    top: Path
    inside: str = "."
    branch: str = "main"
    owner: str = ""
    name: str = ""

    @classmethod
    def around(cls, folder: Path) -> Repository:
        """Return the repository that a folder lies in; without one, the folder is the top."""
        top = _git(folder, "rev-parse", "--show-toplevel")
        if not top:
            return cls(folder)
        place = folder.resolve().relative_to(Path(top).resolve()).as_posix()
        branch = _git(folder, "symbolic-ref", "--short", "refs/remotes/origin/HEAD")
        branch = branch.removeprefix("origin/") or _git(folder, "symbolic-ref", "--short", "HEAD")
        remote = _REMOTE.search(_git(folder, "config", "--get", "remote.origin.url"))
        owner, name = remote.groups() if remote else ("", "")
        return cls(Path(top), place, branch or "main", owner, name)

    @property
    def pages(self) -> str:
        """Where GitHub Pages serves it, or nothing for one that is not on GitHub."""
        if not self.owner:
            return ""
        root = f"https://{self.owner.lower()}.github.io/"
        return root if self.name.lower() == f"{self.owner}.github.io".lower() else root + self.name

    def within(self, path: str) -> str:
        """Return the place of a path of the report, seen from the top."""
        return path if self.inside == "." else f"{self.inside}/{path}"


def begin(folder: Path) -> Begun:
    """Write what a report begins with into ``folder``, and leave alone all that is there.

    Raises SitegenError for a folder that cannot be made, and for settings that are not understood.
    """
    folder.mkdir(parents=True, exist_ok=True)
    repository, report = Repository.around(folder), _report(folder)
    platforms = _platforms(report)
    files = _files(folder, repository, report, platforms)
    written = [place for place, text in files.items() if _written(place, text)]
    has = {
        line.strip("/") for line in (folder / ".gitignore").read_text("utf-8", "replace").split()
    }
    return Begun(
        folder,
        tuple(os.path.relpath(place, folder) for place in written),
        tuple(os.path.relpath(place, folder) for place in files if place not in written),
        tuple(line for line in _ignored(folder, report) if line.strip("/") not in has),
        tuple(platforms) if report.file in written else (),
    )


def _report(folder: Path) -> Config:
    """Return the settings that are there, or the defaults."""
    file = folder / config.FILE
    if file.is_file():
        return config.load(file)
    usual = SiteTable()
    return Config(folder, file, **{name: folder / getattr(usual, name) for name in FOLDERS})


def _ignored(folder: Path, report: Config) -> list[str]:
    made = (report.output, report.cache, report.unsent.parent)
    places = [place for place in made if _lies_in(place, folder)]
    return [f"/{os.path.relpath(place, folder)}/" for place in places]


def _files(
    folder: Path, repository: Repository, report: Config, platforms: Mapping[str, Mapping[str, str]]
) -> dict[Path, str]:
    """Return what a report begins with: the text by the place of each file."""
    archive = repository.within(os.path.relpath(report.archive, folder))
    title = report.title
    if not report.file.exists() and repository.name:
        title = f"{repository.name}: what a TEE costs"
    words = {
        "TITLE": title,
        "SITEGEN": distribution.ADDRESS,
        "INSTALL": distribution.install(EXTRAS, __version__),
        "ACTION": f"{urlsplit(distribution.ADDRESS).path[1:]}@v{__version__}",
        "BRANCH": toml.literal(_pattern(repository.branch)),
        "FOLDER": _unevaluated(repository.inside),
        "REPORT": toml.literal(f"{_pattern(repository.within(''))}**"),
        "RUNS": toml.literal(f"{_pattern(archive)}/**"),
        "HAS_RUNS": toml.literal(f"hashFiles('{_pattern(archive)}/pr/*/run.json') != ''"),
        "SITE": _unevaluated(repository.within(os.path.relpath(report.output, folder))),
    }
    files = {
        report.file: settings(title, repository.pages, platforms),
        folder / ".gitignore": "".join(f"{line}\n" for line in _ignored(folder, report)),
        folder / "README.md": _filled("README.md", words),
    }
    # A folder that has something of its own needs no example; git keeps none that is empty.
    stubs = {
        report.notes / "fio.md": _filled("notes/fio.md", words),
        report.claims / "own.toml": _filled("claims/own.toml", words),
    }
    if not report.elsewhere:
        stubs[report.archive / ".gitkeep"] = ""
    files |= {
        place: text
        for place, text in stubs.items()
        if _lies_in(place, folder) and (place.exists() or not any(place.parent.glob("*")))
    }
    workflows = repository.top / ".github" / "workflows"
    # A repository has one site: what publishes it already is not to be replaced by ours.
    publishing = [one for one in sorted(workflows.glob("*.y*ml")) if _deploys(one)]
    pages = next(iter(publishing), workflows / "pages.yml")
    files[pages] = _filled("workflows/pages.yml", words)
    if not report.elsewhere:  # it judges runs that a pull request brings
        files[workflows / "gate.yml"] = _filled("workflows/gate.yml", words)
    return files


def _lies_in(place: Path, folder: Path) -> bool:
    return Path(os.path.relpath(place, folder)).parts[:1] != ("..",)


def _deploys(workflow: Path) -> bool:
    return "actions/deploy-pages" in workflow.read_text("utf-8", "replace")


def settings(title: str, base_url: str, platforms: Mapping[str, Mapping[str, str]]) -> str:
    """Return a `sitegen.toml` with every key: those that are known, and the others as comments."""
    lines = [_HEAD.format(address=distribution.ADDRESS)]
    known = {"title": title * (title != config.TITLE), "base_url": base_url}
    asked = [key for key in keys(SiteTable) if key.example is not None]
    lines += [_lines(key, known.get(key.name, "")) for key in asked]
    lines += ["# [site.storage]\n\n", *map(_lines, keys(StorageTable))]
    lines.append(_ENVIRONMENTS)
    for label, values in platforms.items():
        lines.append(f"[environments.{toml.key(label)}]\n")
        lines += [f"{name} = {toml.literal(value)}\n" for name, value in values.items()]
        lines.append("\n")
    for form, name in ((EnvironmentTable, _AN_EXAMPLE), (Price, f"{_AN_EXAMPLE}.price")):
        lines.append(f"# [environments.{name}]\n\n")
        lines += [_lines(key) for key in keys(form) if key.example is not None]
    return "".join(lines).rstrip("\n") + "\n"


def _unevaluated(text: str) -> str:
    """Return a text for a place of a workflow where expressions are evaluated: it has none."""
    return toml.literal(text.replace("${{", "${{ '${{' }}"))


def _pattern(text: str) -> str:
    """Return what a text is matched by, in a workflow, where some characters mean another thing."""
    return re.sub(r"[^\w./ -]", "*", text)


def _lines(key: Key, value: str = "") -> str:
    """Return a key under what it is for: with its value, or the default or an example commented."""
    line = f"{key.name} = {toml.literal(value or key.default or key.example)}"
    return f"{_comment(key.what)}\n{line if value else f'# {line}'}\n\n"


def _comment(text: str) -> str:
    words = _LINK.sub(r"\1", text)
    lines = textwrap.wrap(words, _WIDTH, break_long_words=False, break_on_hyphens=False)
    return "\n".join(f"# {line}" for line in lines)


def _platforms(report: Config) -> dict[str, dict[str, Any]]:
    """Return the environments that have runs, with the role and the TEE that these show."""
    if report.file.exists():
        return {}  # it says so itself
    runs: list[AnyRun] = []
    with suppress(NoArchive):
        runs, _ = library.heads(report)
    found = environments(runs, report)
    return {
        label: {name: value for name, value in (("role", one.role), ("tee", one.tee)) if value}
        for label, one in found.items()
    }


def _filled(name: str, words: Mapping[str, str]) -> str:
    text = (resources.templates() / "init" / name).read_text("utf-8")
    # At once: a folder may be called as a word is.
    return re.sub(r"@([A-Z_]+)@", lambda found: words.get(found[1], found[0]), text)


def _written(place: Path, text: str) -> bool:
    """Write a file where there is none, not even a link; say whether it was."""
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        with place.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        return False
    return True


def _git(folder: Path, *argv: str) -> str:
    """Return what git answers in a folder; nothing where it is none's, or git is not there."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *argv], capture_output=True, check=False, text=True
        )
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


class Machine(Struct, frozen=True):
    """This machine as an environment: its role and TEE where it shows them, and a label for it."""

    role: Role | None
    tee: str

    @property
    def label(self) -> str:
        """A label whose words say the role."""
        return _LABELS.get(self.role or "", "LABEL")

    @classmethod
    def here(cls, folder: Path) -> Machine:
        """Return the machine that this runs on; nothing of it is kept."""
        return cls(*observed(fingerprint.read(folder, redact.of_this_machine(workdir=folder))))


def told(begun: Begun) -> list[str]:
    """Return what was done as lines for a terminal, and the three commands that come next."""
    lines = [f"wrote {path}" for path in begun.written]
    lines += [f"left alone: {path}" for path in begun.left]
    if begun.ignore:
        lines.append(f"add to .gitignore: {' '.join(begun.ignore)}")
    if begun.declared:
        lines.append(f"declared what has runs: {', '.join(begun.declared)}")
    here = Machine.here(begun.folder)
    saw = "its signals disagree; `sitegen doctor` says how"
    if here.role:
        tee = f', tee = "{here.tee}"' if here.tee != "none" else ""
        saw = f'{ROLE_WORDS[here.role]}, role = "{here.role}"{tee}; such as --env {here.label}'
    lines.append(f"this machine: {saw}")
    place = "" if begun.folder.resolve() == Path.cwd() else f", in {begun.folder}"
    steps = {
        "sitegen doctor": "what can be measured here, and what installs the tools that are missing",
        f"sitegen collect --env {here.label}": "measure it; --quick shows in minutes that it works",
        "sitegen build": "the report, in site/index.html",
    }
    width = max(map(len, steps))
    lines.append(f"next{place}:")
    return [*lines, *(f"  {step.ljust(width)}  # {about}" for step, about in steps.items())]
