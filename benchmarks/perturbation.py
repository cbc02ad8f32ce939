"""Whether prose and figures can part: `python -m benchmarks.perturbation`.

Each cited figure of this report is changed, one at a time, and all prose is evaluated again: a note
or a claim whose sentence the figures no longer bear out must stop the build. Sentences that only
repeat figures follow them; one that compares figures and states no premise is listed.
"""

from __future__ import annotations

import argparse
import random
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from sitegen import config
from sitegen.analysis import claims
from sitegen.analysis.compare import analyse
from sitegen.archive import library
from sitegen.errors import SitegenError
from sitegen.model import AnyRun, Measurement, Provenance
from sitegen.report import notes
from sitegen.site import render

ROOT = Path(__file__).resolve().parents[1]
FACTORS = (0.7, 1.3, 0.1, 10.0)
#: What tells a sentence that compares from one that repeats.
_COMPARES = re.compile(
    r"\b(more|less|fewer|faster|slower|higher|lower|larger|smaller|longer|shorter|slowest|fastest"
    r"|grows?|falls?|rises?|loses?|gains?|leads?|beats|exceeds?|keeps?|alike|equals?|repeats"
    r"|uneven|disagree|outruns?|waits|times)\b"
)
_EXPRESSION = re.compile(r"\{\{.*?\}\}")
_END = re.compile(r"(?<=[.?!])\**\s+(?=[A-Z*{“])")


def unpremised(path: Path) -> list[str]:
    """Return the sentences of a note that compare figures and state no premise.

    A premise holds for the bold sentence that it opens and for those after it, up to the end of
    the paragraph or the next premise.
    """
    found = []
    for line in path.read_text("utf-8").splitlines():
        if line.startswith(("{% set", "|", "<!--")):
            continue
        premised = False
        for sentence in _END.split(line):
            expressions = _EXPRESSION.findall(sentence)
            premised |= any("given(" in one for one in expressions)
            figures = [one for one in expressions if "given(" not in one and "claim(" not in one]
            plain = _EXPRESSION.sub("…", sentence)
            if figures and not premised and _COMPARES.search(plain):
                found.append(plain)
    return found


def prose(folder: Path) -> list[Path]:
    """Return the notes of a report."""
    return [*sorted(folder.glob("*.md")), *sorted((folder / "reports").glob("*.md"))]


def evaluated(runs: Sequence[AnyRun], settings: config.Config) -> dict[str, str]:
    """Return all prose as it would stand on pages; raises SitegenError where it cannot."""
    analysis = analyse(runs, settings)
    checked, _ = claims.check_all(claims.load_all(settings.claims), analysis, damaged=False)
    texts = {row.claim.id: f"{row.verdict} {row.figures} {row.claim.note}" for row in checked}
    for path in prose(settings.notes):
        of_report = path.parent.name == "reports"
        functions = (
            notes.of_report(analysis, [row for row in checked if row.claim.source == path.stem])
            if of_report
            else notes.of_benchmark(analysis, path.stem)
        )
        texts[str(path.relative_to(settings.notes))] = str(render.note(path, functions))
    return texts


Place = tuple[int, int]


def changed(runs: Sequence[AnyRun], places: Sequence[Place], factor: float) -> list[AnyRun]:
    """Return the runs with some of their rows at another value."""
    others = list(runs)
    for at in {at for at, _ in places}:
        rows = list(runs[at].measurements)
        for row in (row for run, row in places if run == at):
            rows[row] = rows[row]._replace(value=(rows[row].value or 0.0) * factor, printed=None)
        others[at] = runs[at].with_rows(tuple(rows))
    return others


def cited(runs: Sequence[AnyRun]) -> Iterator[tuple[Place, Measurement]]:
    """Yield every cited figure that is not zero, with its place."""
    for at, run in enumerate(runs):
        if run.provenance == Provenance.CITED:
            for place, row in enumerate(run.measurements):
                if row.value:
                    yield (at, place), row


def outcome(
    runs: Sequence[AnyRun],
    settings: config.Config,
    base: dict[str, str],
    places: Sequence[Place],
    factor: float,
) -> tuple[str, str]:
    """Return what became of a change, ``refused``, ``follows`` or ``not quoted``, and where."""
    try:
        texts = evaluated(changed(runs, places, factor), settings)
    except SitegenError as error:
        return "refused", str(error)
    parts = [name for name, text in texts.items() if text != base[name]]
    return ("follows", ", ".join(parts)) if parts else ("not quoted", "")


def quoted(
    runs: Sequence[AnyRun],
    settings: config.Config,
    base: dict[str, str],
    places: Sequence[Place],
) -> list[Place]:
    """Return which of the figures any prose depends on, found by halves."""
    if not places or outcome(runs, settings, base, places, 1.37)[0] == "not quoted":
        return []
    if len(places) == 1:
        return [*places]
    middle = len(places) // 2
    halves = (places[:middle], places[middle:])
    return [one for half in halves for one in quoted(runs, settings, base, half)]


def main() -> None:
    """Print what became of every change, or of a sample of them."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.perturbation", description=__doc__)
    parser.add_argument("--sample", type=int, default=0, help="figures to try; 0: all")
    parser.add_argument("--verbose", action="store_true", help="a line for each change")
    options = parser.parse_args()
    settings = config.load(ROOT / "sitegen.toml")
    runs = [held.run for held in library.of(settings).runs.values()]
    base = evaluated(runs, settings)
    figures = [*cited(runs)]
    if options.sample:
        figures = random.Random(7).sample(figures, options.sample)  # noqa: S311 - a sample
    told = {*quoted(runs, settings, base, [place for place, _ in figures])}
    counts: Counter[tuple[float, str]] = Counter()
    for place, row in figures:
        for factor in FACTORS:
            kind, where = "not quoted", ""
            if place in told:
                kind, where = outcome(runs, settings, base, [place], factor)
            counts[factor, kind] += 1
            if options.verbose:
                print(f"{runs[place[0]].id} {row.metric} x {factor:g}: {kind} {where}"[:400])
    for factor in FACTORS:
        parts = (f"{counts[factor, kind]} {kind}" for kind in ("refused", "follows", "not quoted"))
        print(f"x {factor:g}: {', '.join(parts)}")
    for path in prose(settings.notes):
        for sentence in unpremised(path):
            print(f"no premise, {path.name}: {sentence}")


if __name__ == "__main__":
    main()
