"""The sentence of a page: what a TEE costs by its best-supported comparison, and on what it stands.

What own runs decided comes before what they leave open, both before figures that a publication
printed, these before single runs, and what must not be quoted last. A count of comparisons is no
finding.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from sitegen.analysis.compare import Analysis, Comparison
from sitegen.analysis.stats import Word
from sitegen.catalogue.families import family
from sitegen.catalogue.metrics import Better
from sitegen.catalogue.units import percent, percents
from sitegen.model import Provenance
from sitegen.report import costs, effects, words
from sitegen.report.costs import CostRow, CostTable
from sitegen.report.effects import NBSP
from sitegen.report.words import Platform

#: A verdict that needs more words in a sentence.
_SAID = {"n unknown": "printed without a count"}
#: Benchmarks that the front page names in its headline.
_MOST_CLAUSES = 3
_DECIDED, _OPEN, _CITED, _SINGLE, _DOUBTFUL = range(5)


class Answer(NamedTuple):
    """A comparison that a sentence is made of, in its row and table."""

    table: CostTable
    row: CostRow

    @property
    def comparison(self) -> Comparison:
        """The comparison itself."""
        return self.row.comparison

    @property
    def standing(self) -> int:
        """How well it is supported; the best is the least."""
        one = self.comparison
        if one.doubt:
            return _DOUBTFUL
        if one.decided:
            return _DECIDED
        if one.word == Word.INCONCLUSIVE:
            return _OPEN
        if Provenance.CITED in (one.side.provenance, one.baseline.provenance):
            return _CITED if one.estimate is None else _SINGLE
        return _SINGLE

    @property
    def open(self) -> bool:
        """Whether the bounds allow both more and less."""
        ends = self.comparison.joint if self.comparison.estimate else None
        unsaid = not (self.comparison.decided or self.comparison.doubt)
        return unsaid and ends is not None and ends.low < 1 < ends.high

    @property
    def subject(self) -> str:
        """What costs: the TEE by its kind, or the environment by its name."""
        return subject(self.table.side)

    @property
    def title(self) -> str:
        """What it says in few words: "TDX costs random reads 15.4 %"."""
        if self.open:
            return f"Whether {self.subject} costs {_object(self.row)} anything is open"
        return f"{self.subject} {self.clause}{' (doubtful)' * (self.standing == _DOUBTFUL)}"

    @property
    def object(self) -> str:
        """What is slowed down: "random reads"."""
        return _object(self.row)

    @property
    def figure(self) -> tuple[str, str, str]:
        """The effect as one number, its interval and what it stands on; words in place of doubt."""
        one = self.comparison
        effect, many = effects.effect(one), _many(one) if one.estimate else ""
        if self.standing == _DOUBTFUL:
            return ("doubtful", f"{effect}, {one.doubt}", many)
        if self.open:
            return (one.verdict or "open", f"between {effects.ends(one, one.joint, 'and')}", many)
        if one.word == Word.NO_DIFFERENCE:
            return ("no difference", effects.decision(one), many)
        span = effects.interval(one)
        if one.estimate is None:
            rounding = f"{span} by the rounding of its digits" if span else ""
            return (effect, rounding, "as printed" if self.standing == _CITED else one.verdict)
        return (
            effect,
            f"95{NBSP}% interval {span}" if span else "",
            words.joined(many, "" if one.decided else one.verdict),
        )

    @property
    def clause(self) -> str:
        """What it costs without who: "costs random reads 15.4 %"."""
        one = self.comparison
        what, amount = _object(self.row), _amount(one)
        if one.word == Word.NO_DIFFERENCE:
            return f"costs {what} nothing that shows"
        if (one.factor or 0.0) < 1:
            return f"costs {what} nothing ({amount} {effects.pace(one)})"
        if effects.as_factor(one):
            return f"makes {what} {amount} {effects.pace(one)}"
        if one.metric.better == Better.LOWER:
            return f"adds {amount} to {what}"
        return f"costs {what} {amount}"

    @property
    def evidence(self) -> str:
        """What it stands on: interval and replicates."""
        one, against = self.comparison, f"against {self.table.baseline.name}"
        if one.word == Word.NO_DIFFERENCE:
            return words.joined(f"none {effects.decision(one)} {against}", _many(one))
        if one.estimate is None:
            each = "figure" if self.standing == _CITED else "run"
            how = ", as printed" if self.standing == _CITED else ""
            return f"one {each} a side{how}, {against}"
        span = _bounds(one).replace("+", "").removesuffix(f"{NBSP}%")
        return words.joined(f"{span} {against}".lstrip(), _many(one))

    @property
    def sentence(self) -> str:
        """The sentence that stands for a page."""
        one = self.comparison
        who = self.subject
        if self.open:
            span = effects.ends(one, one.joint, "and")
            many = f"against {self.table.baseline.name}, {_many(one)}"
            return f"{self.title}: between {span} ({many})."
        doubt = f"; doubtful: {one.doubt}" if self.standing == _DOUBTFUL else ""
        return f"{who} {self.clause} ({self.evidence}{doubt})."


class Finding(NamedTuple):
    """A sentence computed from comparisons, and what stands beside it; the first of them."""

    sentence: str
    beside: str = ""
    answer: Answer | None = None


def subject(side: Platform) -> str:
    """Return what a sentence says of an environment: its TEE's name, where it has one."""
    return side.tee or side.name


def best(tables: Iterable[CostTable]) -> Answer | None:
    """Return the best-supported comparison of headline series; None where none means anything.

    Of equally supported ones the first headline's, of those the one that most replicates stand
    behind, then the one that costs most.
    """
    answers = [
        Answer(table, row)
        for table in tables
        for row in table.headlines
        if row.comparison.factor and not row.comparison.reason
    ]
    return min(answers, key=_rank, default=None)


def row_of(table: CostTable) -> CostRow | None:
    """Return the row that stands for a table: the worst of what is decided, else the best."""
    answer = best([table])
    return table.worst or (answer.row if answer else None)


def _rank(answer: Answer) -> tuple[object, ...]:
    one = answer.comparison
    return answer.standing, one.place, -one.stands_on.least, -(one.factor or 0.0)


def of_benchmark(analysis: Analysis, benchmark: str, tables: Sequence[CostTable]) -> Finding:
    """Return what the comparisons of a benchmark say: of its TEEs, where it has any."""
    title = family(benchmark).title
    if answer := best(costs.of_tees(tables)) or best(tables):
        return Finding(answer.sentence, _beside(answer), answer)
    if rows := [Answer(table, row) for table in tables for row in table.headlines]:
        return Finding(_undivided(title, rows))
    many = words.count(len({one.environment for one in analysis.of(benchmark)}), "environment")
    if analysis.paired(benchmark):
        why = "None of the metrics says whether more of it is better."
        return Finding(f"{title} in {many}, and no metric that could be compared.", why)
    return Finding(
        f"{title} in {many}, and none of them against a baseline.",
        "What a TEE costs here was not measured: no environment has its own machine without the"
        " TEE beside it.",
    )


def _undivided(title: str, answers: Sequence[Answer]) -> str:
    """Return what is said where no headline series can be divided: a difference, or why nothing."""
    for one in answers:
        compared, row, against = one.comparison, one.row, one.table.baseline.name
        if not compared.reason and row.cost:
            said = words.joined(row.cost, compared.verdict)
            return f"{one.subject}, {_object(row)}: {said} (against {against})."
    why = next((one.comparison.reason for one in answers if one.comparison.reason), "")
    why = why or "no value can be divided"
    return f"No comparison of {title} means anything yet: {why}."


def of_environment(platform: Platform, tables: Sequence[CostTable]) -> Finding:
    """Return what an environment costs against its first baseline, or what it is."""
    first: dict[str, CostTable] = {}
    for table in tables:
        first.setdefault(table.benchmark, table)
    answers = [one for one in (best([table]) for table in first.values()) if one]
    is_one = f"{platform.name}: {words.joined(platform.role, platform.tee)}."
    if not answers:
        return Finding(is_one)
    return Finding(_together(answers), is_one, _told(answers)[0])


def of_report(tables: Mapping[str, Sequence[CostTable]]) -> str:
    """Return what the report says of TEEs: the benchmarks in which they cost most; or nothing."""
    return _together(_of_each(tables))


def leading(tables: Mapping[str, Sequence[CostTable]]) -> Answer | None:
    """Return the comparison that what a report says of TEEs begins with."""
    return next(iter(_told(_of_each(tables))), None)


def _of_each(tables: Mapping[str, Sequence[CostTable]]) -> list[Answer]:
    found = (best(costs.of_tees(of_one)) for of_one in tables.values())
    return [one for one in found if one]


def _told(answers: Sequence[Answer]) -> list[Answer]:
    """Return the best-supported answers, those that cost most; one alone where any is open."""
    standing = min((one.standing for one in answers), default=_DECIDED)
    chosen = [one for one in answers if one.standing == standing]
    if standing == _DOUBTFUL or any(one.open for one in chosen):
        # Of one alone the doubt and the bounds are told.
        return chosen[:1]
    # Replicates and single values do not stand together: what is said of one is not so of both.
    several = any(one.comparison.estimate for one in chosen)
    chosen = [one for one in chosen if bool(one.comparison.estimate) == several]
    chosen.sort(key=lambda one: -(one.comparison.factor or 0.0))
    # Nothing that costs nothing stands beside what does.
    costly = [one for one in chosen if (one.comparison.factor or 0.0) > 1 and _costs(one)]
    return (costly or chosen)[:_MOST_CLAUSES]


def _together(answers: Sequence[Answer]) -> str:
    """Return one sentence of the best-supported answers, those that cost most; or nothing."""
    told = _told(answers)
    if not told:
        return ""
    if len(told) == 1:
        return told[0].sentence
    subjects = dict.fromkeys(one.subject for one in told)
    clauses = [f"{who} {_clauses([one for one in told if one.subject == who])}" for who in subjects]
    return f"{'; '.join(clauses)} ({_grounds(told)})."


def _costs(answer: Answer) -> bool:
    return answer.comparison.word != Word.NO_DIFFERENCE


def _clauses(answers: Sequence[Answer]) -> str:
    """Return their clauses, those of one verb together."""
    by_verb: dict[str, list[str]] = {}
    for one in answers:
        verb, _, rest = one.clause.partition(" ")
        by_verb.setdefault(verb, []).append(rest)
    said = (f"{verb} {words.enumerate_words(rests)}" for verb, rests in by_verb.items())
    return ", and ".join(said)


def _grounds(answers: Sequence[Answer]) -> str:
    """Return on what answers stand, without their intervals, and against whom."""
    bases = dict.fromkeys(one.table.baseline.name for one in answers)
    against = f"against {words.enumerate_words([*bases])}"
    counted = [one.comparison.stands_on for one in answers if one.comparison.estimate]
    if len(counted) < len(answers):
        return answers[0].evidence.replace(f"against {answers[0].table.baseline.name}", against)
    least = min(one.least for one in counted)
    most = max(max(one.side, one.baseline) for one in counted)
    levels = {one.level for one in counted}
    level = counted[0].level if len(levels) == 1 else "run"
    many = words.count(most, level)
    return f"{many if least == most else f'{least} to {many}'} a side, {against}"


def _many(comparison: Comparison) -> str:
    """Return on how many replicates it stands: "5 boots a side"."""
    return effects.replicates(replace(comparison.stands_on, turns=()))


def _object(row: CostRow) -> str:
    """Return what is slowed down, as a sentence says it."""
    headline, miss = row.comparison.headline, row.comparison.misses
    named = headline.title if headline else row.comparison.metric.title
    said = headline.loses if headline and headline.loses else words.lower_first(named)
    return f"{said} ({words.at(miss)})" if miss else said


def _amount(comparison: Comparison) -> str:
    """Return the size of an effect without its sign: "15.4 %", or so many times."""
    if comparison.share is not None and not effects.as_factor(comparison):
        return f"{percent(abs(comparison.share)).lstrip('+')}{NBSP}%"
    return effects.effect(comparison).removesuffix(f" {effects.pace(comparison)}")


def _bounds(comparison: Comparison) -> str:
    """Return the interval of an effect; of a gain the gain's, as the clause has it."""
    ends = comparison.share_interval
    if effects.as_factor(comparison) or ends is None or ends[1] > 0:
        return effects.interval(comparison)
    low, high = -ends[1], -ends[0]
    digits = percents(low, high)
    return f"{percent(low, digits)} to {percent(high, digits)}{NBSP}%"


def _beside(answer: Answer) -> str:
    """Return between whom it was measured, and what the other headline series say."""
    table, rows = answer.table, answer.table.headlines
    parts = [f"{table.side.name} against {table.baseline.name}."]
    verdicts: dict[str, int] = {}
    for row in rows:
        said = _SAID.get(row.comparison.verdict, row.comparison.verdict) or "without a verdict"
        verdicts[said] = verdicts.get(said, 0) + 1
    if len(rows) > 1:
        told = (f"{count} {said}" for said, count in verdicts.items())
        many = words.count(len(rows), "headline series", "headline series")
        parts.append(f"Of {many}: {words.enumerate_words([*told])}.")
    return " ".join(parts)
