"""Writing what is measured against what into `sitegen.toml`, and leaving the rest as it stands."""

from __future__ import annotations

import re
import shutil
import tomllib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from sitegen import config, toml, whole
from sitegen.analysis.selection import environments, unseen_tees
from sitegen.archive import library
from sitegen.config import Config, Environment
from sitegen.errors import SitegenError
from sitegen.model import AnyRun, check_label


def declared(settings: Config, pairs: Sequence[str]) -> list[str]:
    """Declare each ``label=baseline`` in the settings; return the lines that were written."""
    runs: list[AnyRun] = []
    with suppress(SitegenError):  # without an archive, what the file declares
        runs = library.heads(settings)[0]
    by_label = environments(runs, settings)
    lines = [baseline(settings.file, pair, by_label) for pair in pairs]
    return [*lines, *(f"note: {hint}" for hint in unseen_tees(runs, settings))]


def baseline(file: Path, pair: str, environments: Mapping[str, Environment]) -> str:
    """Declare ``label=baseline[,baseline...]`` in ``file`` and return the line that was written.

    The first is the default. Each goes under the word of its role (metal, vm), else under its
    own label. ``environments`` are those that are declared or have runs. Everything else in
    the file stays as it stands, comments too. Raises SitegenError for labels that are not known,
    and when the file's form makes that impossible; then it says what to write by hand, and
    nothing is written.
    """
    label, words = _parsed(pair, environments)
    line = f"baselines = {toml.literal(words)}"
    file = file.resolve()
    text = ""
    if file.exists():
        toml.read(file)
        text = file.read_bytes().decode()
    ends = "\r\n" if "\r\n" in text else "\n"
    written = _with_line(text.replace(ends, "\n"), label, line).replace("\n", ends)
    if not _differ_in_baselines(text, written, label, words):
        fix = f"write `{line}` into the table of {label} yourself"
        raise SitegenError("cannot be changed without touching more", where=str(file), fix=fix)
    with whole.written(file) as hidden:
        hidden.write_bytes(written.encode())
        if file.exists():
            shutil.copymode(file, hidden)
        try:
            config.load(hidden)
        except SitegenError as error:
            raise SitegenError(error.what, where=str(file), fix=error.fix) from error
    return f"[environments.{toml.key(label)}] {line}"


def _parsed(pair: str, environments: Mapping[str, Environment]) -> tuple[str, dict[str, str]]:
    """Return the label, and its baselines by the word that each goes under."""
    label, _, rest = pair.partition("=")
    names = [name.strip() for name in rest.split(",") if name.strip()]
    problem = fix = ""
    if not (label and names):
        problem, fix = f"{pair!r} names no baseline", "write it as cvm=metal"
    elif strange := [name for name in (label, *names) if check_label(name) not in environments]:
        fix = f"known are {', '.join(sorted(environments)) or 'none: collect or import first'}"
        problem = f"there is no environment {strange[0]!r}"
    elif label in names:
        problem = f"{label} cannot be its own baseline"
    if problem:
        raise SitegenError(problem, where="baseline", fix=fix)
    words: dict[str, str] = {}
    for name in names:
        role = environments[name].role
        word = role if role and role not in words else name
        words[word if word not in words else f"{word}-baseline"] = name
    return label, words


def _with_line(text: str, label: str, line: str) -> str:
    """Return ``text`` with the environment's baselines set; its other lines are untouched."""
    header = re.compile(
        rf'^\[[ \t]*environments[ \t]*\.[ \t]*["\']?{re.escape(label)}["\']?[ \t]*\][^\n]*$',
        re.MULTILINE,
    )
    match = header.search(text)
    if match is None:
        gap = "" if not text else "\n" if text.endswith("\n") else "\n\n"
        return f"{text}{gap}[environments.{toml.key(label)}]\n{line}\n"
    end = re.compile(r"^[ \t]*\[", re.MULTILINE).search(text, match.end())
    body = text[match.end() : end.start() if end else len(text)]
    # A comment behind it stays.
    old = re.search(r"^[ \t]*baselines[ \t]*=[ \t]*(?:\{[^{}#\n]*\}|[^\n]*$)", body, re.MULTILINE)
    body = body[: old.start()] + line + body[old.end() :] if old else f"\n{line}{body or chr(10)}"
    return text[: match.end()] + body + (text[end.start() :] if end else "")


def _differ_in_baselines(before: str, after: str, label: str, words: Mapping[str, str]) -> bool:
    """Say whether the baselines are all that differs between the two texts."""
    try:
        expected: dict[str, Any] = tomllib.loads(before)
        expected.setdefault("environments", {}).setdefault(label, {})["baselines"] = dict(words)
        return tomllib.loads(after) == expected
    except (tomllib.TOMLDecodeError, AttributeError, TypeError):
        return False
