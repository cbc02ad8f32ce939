"""What was executed for a run: commands as a shell takes them, and which row each belongs to."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from sitegen.model import SET, AnyRun, Provenance, StepRecord
from sitegen.report import words
from sitegen.report.matrix import Plan, StepKey

#: A row shows no more commands than these: what has more of them is told with all steps.
_MOST_COMMANDS = 2
#: Characters of a command's line.
_LINE = 88
_STEADY = {"true": "steady", "false": "not steady"}
#: A share of the time below which the machine did nothing beside.
_LEAST_SHARE = 0.0005
#: What stands in a command for a folder: a shell must put the folder in.
_FOLDER = re.compile(r"\$(?:WORK|CACHE|PWD)\b|(?<![^=:,])~(?=/|$)")
_WORD = re.compile(r"[a-z]+|\d+(?:\.\d+)?")
#: What the machine did while a step ran, as shares of the time.
_SHARES: Mapping[str, str] = {
    "psi_cpu": "CPU pressure",
    "psi_io": "I/O pressure",
    "psi_memory": "memory pressure",
    "steal": "steal",
    "throttled": "throttled",
}


class StepOutput(NamedTuple):
    """One executed command with an excerpt of what it printed."""

    name: str
    repetition: str
    command: str
    exit_code: int
    about: str
    excerpt: str


def collecting(run: AnyRun, label: str) -> str:
    """Return the command that collects a run as this one was, under a label; else nothing."""
    if run.provenance != Provenance.COLLECTED:
        return ""
    often = next((p.value for p in run.parameters if p.name == "repetitions"), "")
    given = [
        f"--set {quoted(f'{p.name.removeprefix(SET)}={p.value}')}"
        for p in run.parameters
        if p.name.startswith(f"{SET}{run.benchmark}.")
    ]
    return words.joined(
        f"sitegen collect --env {label} --only {run.benchmark}",
        f"--preset {run.preset}" if run.preset else "",
        *given,
        f"--repeat {often}" if often.isdecimal() else "",
        by=" ",
    )


def of_rows(plan: Plan, steps: Sequence[StepRecord]) -> list[tuple[int, ...]]:
    """Return where the steps of each row stand among ``steps``."""
    at = {(step.workload, step.name, step.params): place for place, step in enumerate(steps)}
    key = frozenset(at)
    if key not in plan.steps:
        plan.steps[key] = tuple(_matching(plan, sorted(at)))
    return [tuple([at[one] for one in names]) for names in plan.steps[key]]


def _matching(plan: Plan, steps: Sequence[StepKey]) -> Iterator[tuple[StepKey, ...]]:
    """Yield the steps of each row: by their parameters, else by what their names say."""
    of_workload: dict[str, list[dict[str, str]]] = {}
    for row in plan.rows:
        of_workload.setdefault(row.workload, []).append(dict(row.params))
    for row in plan.rows:
        mine = [one for one in steps if one[0] == row.workload]
        exact = [one for one in mine if one[2] and set(one[2]) <= set(row.params)]
        if exact:
            most = max(len(one[2]) for one in exact)
            mine = [one for one in exact if len(one[2]) == most]
        elif len(mine) > 1:
            every = of_workload[row.workload]
            varying = [
                key
                for key in dict.fromkeys(key for params in every for key in params)
                if len({params.get(key) for params in every}) > 1 and key != "direction"
            ]
            named = [one for one in mine if _says(one, dict(row.params), varying)]
            mine = named if len(named) == 1 else mine
        yield tuple(mine) if len(mine) <= _MOST_COMMANDS else ()


def _says(step: StepKey, params: Mapping[str, str], varying: Sequence[str]) -> bool:
    """Say whether a step's name has what tells a row from others of its workload."""
    workload, name, _ = step
    said = set(_WORD.findall(name.removeprefix(workload).lower()))
    for key in varying:
        value = params.get(key, "false")
        if value in ("true", "false"):
            if (key in said) != (value == "true"):
                return False
        elif not set(_WORD.findall(value.lower())) <= said:
            return False
    return True


def output(step: StepRecord, excerpts: Mapping[str, str]) -> StepOutput:
    """Return a step as its run's page shows it."""
    parts = [
        f"{_SHARES[name]} {value:.1%}"
        for name, value in step.conditions
        if value >= _LEAST_SHARE and name in _SHARES
    ]
    parts += [_STEADY.get(value, value) for name, value in step.values if name == "steady"]
    parts += [f"load {v:.2g} before" for name, v in step.conditions if name == "load_before"]
    meanwhile = f" · meanwhile: {', '.join(parts)}" if parts else ""
    again = step.repetition
    return StepOutput(
        step.name,
        "preparation" if again < 0 else f"repetition {again + 1}",
        command(step.argv),
        step.exit_code,
        f"{step.duration_s:.1f} s{meanwhile}",
        next((excerpts[name] for name in step.raw if name in excerpts), "") if step.raw else "",
    )


@lru_cache(maxsize=4096)
def command(argv: tuple[str, ...]) -> str:
    """Return a command as a shell takes it, in lines; what stands for a folder is put in there."""
    chunks: list[str] = []
    for place, word in enumerate(map(quoted, argv)):
        # What follows a flag stays with it.
        if place < 2 or word.lstrip("\"'").startswith("-") or argv[place - 1][:1] != "-":  # noqa: PLR2004
            chunks.append(word)
        else:
            chunks[-1] += f" {word}"
    lines, line = [], ""
    for chunk in chunks:
        if line and len(line) + 1 + len(chunk) > _LINE:
            lines.append(line)
            line = "   "
        line = f"{line} {chunk}" if line else chunk
    return " \\\n".join([*lines, line]) if line else ""


@lru_cache(maxsize=65536)
def quoted(word: str) -> str:
    """Return a word for a shell, which puts in the folders that it names."""
    folders = _FOLDER.findall(word)
    if not folders:
        return shlex.quote(word)
    parts = [re.sub(r'(["$`\\])', r"\\\1", part) for part in _FOLDER.split(word)]
    named = ["$HOME" if folder == "~" else folder for folder in folders]
    inside = "".join(part + folder for part, folder in zip(parts, [*named, ""], strict=True))
    return f'"{inside}"'
