"""A whole run without identifiers: the last thing that happens to it before it is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import cache
from typing import TypeVar

from msgspec import Struct, structs
from msgspec.structs import replace

from sitegen.model import Measurement, Params, Provenance, Run, Sample, StepRecord
from sitegen.redact.redactor import Redactor

Record = TypeVar("Record", bound=Struct)
_SOURCE = ("title", "authors", "edition", "address", "section", "origin")


def redacted(run: Run, redactor: Redactor, already: Mapping[str, int] | None = None) -> Run:
    """Return ``run`` with every text in it redacted, and what was replaced counted by kind.

    ``already`` counts what was replaced elsewhere for this run: in its raw output. What a
    publication says of itself in a citation is public and stays.
    """
    clean = _Clean(redactor)
    tool, source, machine = run.tool, run.source, run.fingerprint
    if source and run.provenance != Provenance.CITED:
        source = clean.record(source, *_SOURCE)
    tee = structs.replace(
        machine.tee,
        reasons=tuple(map(redactor.text, machine.tee.reasons)),
        signals=tuple(clean.record(each, "source", "saw") for each in machine.tee.signals),
    )
    facts = tuple(clean.record(fact, "name", "source", value=fact.name) for fact in machine.facts)
    done = replace(
        run,
        measurements=tuple(map(clean.measurement, run.measurements)),
        samples=clean.samples(run.samples),
        # What looks like an address is none in a version.
        tool=tool and clean.record(tool, "name", "path", version="version"),
        parameters=tuple(clean.record(each, "name", value=each.name) for each in run.parameters),
        definitions=tuple(
            clean.record(each, "title", "unit", "definition") for each in run.definitions
        ),
        fingerprint=structs.replace(machine, facts=facts, tee=tee),
        steps=tuple(map(clean.step, run.steps)),
        source=source,
        note=redactor.text(run.note),
    )
    counts = Counter(already or {}) + Counter(redactor.counts())
    return replace(done, redactions=tuple(sorted(counts.items())))


class _Clean:
    """The parts of one run: few different texts stand in many of its rows."""

    def __init__(self, redactor: Redactor) -> None:
        self.redactor = redactor
        self.series: dict[Params, Params] = {}
        self.alike: dict[Params, int] = {}
        self.labels: dict[str, str] = {}
        self.unit = cache(redactor.text)

    def record(self, record: Record, *fields: str, **values: str) -> Record:
        """Return a record with these of its fields redacted; ``values`` are each called so."""
        clean = {field: self.redactor.text(getattr(record, field)) for field in fields}
        for field, name in values.items():
            value: str | None = getattr(record, field)
            clean |= {field: self.redactor.pair(name, value)} if value else {}
        return structs.replace(record, **clean)

    def measurement(self, row: Measurement) -> Measurement:
        """Return a row as it may be written; one that says nothing is returned as it is."""
        params, workload = self.params(row.params), self.label(row.workload)
        printed = row.printed and self.redactor.figure(row.printed)
        unit = self.unit(row.unit)
        if (params, workload, printed, unit) == (row.params, row.workload, row.printed, row.unit):
            return row
        return row._replace(params=params, workload=workload, printed=printed, unit=unit)

    def samples(self, rows: tuple[Sample, ...]) -> tuple[Sample, ...]:
        """Return samples as they may be written; of very many, few series are different."""
        series = dict.fromkeys((row.workload, row.params) for row in rows)
        clean = {one: (self.label(one[0]), self.params(one[1])) for one in series}
        if all(one == other for one, other in clean.items()):
            return rows
        return tuple(
            row._replace(workload=workload, params=params)
            for row in rows
            for workload, params in [clean[row.workload, row.params]]
        )

    def step(self, step: StepRecord) -> StepRecord:
        """Return a step as it may be written."""
        return replace(
            step,
            name=self.label(step.name),
            workload=self.label(step.workload),
            argv=self.redactor.words(step.argv),
            values=self.pairs(step.values),
            params=self.params(step.params),
            context=self.pairs(step.context),
        )

    def label(self, name: str) -> str:
        """Return a name; two that read alike afterwards are numbered."""
        if name not in self.labels:
            clean = unique = self.redactor.label(name)
            number = 2
            while clean != name and unique in self.labels.values():
                unique, number = f"{clean}-{number}", number + 1
            self.labels[name] = unique
        return self.labels[name]

    def pairs(self, pairs: Params) -> Params:
        """Return names and values as they may be written."""
        return tuple((self.redactor.text(k), self.redactor.pair(k, v)) for k, v in pairs)

    def params(self, params: Params) -> Params:
        """Return parameters; two series that read alike afterwards stay two."""
        if params not in self.series:
            clean = tuple(sorted(self.pairs(params)))
            number = self.alike[clean] = self.alike.get(clean, 0) + 1
            if number > 1 and clean != params:
                clean = tuple(
                    (k, f"{v} ({number})" if v not in dict(params).values() else v)
                    for k, v in clean
                )
            self.series[params] = clean
        return self.series[params]
