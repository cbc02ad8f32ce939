"""A whole run without identifiers: the last thing that happens to it before it is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from msgspec import structs

from sitegen.model import Fingerprint, Measurement, Params, Provenance, Run, Sample, StepRecord
from sitegen.redact.redactor import Redactor


def redacted(run: Run, redactor: Redactor, already: Mapping[str, int] | None = None) -> Run:
    """Return ``run`` with every text in it redacted, and what was replaced counted by kind.

    ``already`` counts what was replaced elsewhere for this run: in its raw output. What a
    publication says of itself in a citation is public and stays.
    """
    clean = _Clean(redactor)
    text = redactor.text
    machine = run.fingerprint
    found = replace(
        run,
        measurements=tuple(map(clean.measurement, run.measurements)),
        samples=tuple(map(clean.sample, run.samples)),
        tool=run.tool
        and structs.replace(
            run.tool,
            name=text(run.tool.name),
            version=redactor.version(run.tool.version),
            path=text(run.tool.path),
        ),
        parameters=tuple(
            structs.replace(p, name=text(p.name), value=redactor.pair(p.name, p.value))
            for p in run.parameters
        ),
        definitions=tuple(
            structs.replace(
                d, title=text(d.title), unit=text(d.unit), definition=text(d.definition)
            )
            for d in run.definitions
        ),
        fingerprint=Fingerprint(
            tuple(
                structs.replace(
                    fact,
                    name=text(fact.name),
                    value=None if fact.value is None else redactor.pair(fact.name, fact.value),
                    source=text(fact.source),
                )
                for fact in machine.facts
            ),
            structs.replace(
                machine.tee,
                reasons=tuple(map(text, machine.tee.reasons)),
                signals=tuple(
                    structs.replace(signal, source=text(signal.source), saw=text(signal.saw))
                    for signal in machine.tee.signals
                ),
            ),
        ),
        steps=tuple(map(clean.step, run.steps)),
        note=text(run.note),
    )
    if run.source is not None and run.provenance != Provenance.CITED:
        source = run.source
        found = replace(
            found,
            source=structs.replace(
                source,
                title=text(source.title),
                authors=text(source.authors),
                edition=text(source.edition),
                address=text(source.address),
                section=text(source.section),
                origin=text(source.origin),
            ),
        )
    counts = dict(already or {})
    for kind, count in redactor.counts().items():
        counts[kind] = counts.get(kind, 0) + count
    return replace(found, redactions=tuple(sorted(counts.items())))


class _Clean:
    """The rows of one run: few different texts stand in many of them."""

    def __init__(self, redactor: Redactor) -> None:
        self.redactor = redactor
        self.params: dict[Params, Params] = {}
        self.taken: dict[Params, int] = {}
        self.labels: dict[str, str] = {}
        self.units: dict[str, str] = {}

    def measurement(self, row: Measurement) -> Measurement:
        """Return a row as it may be written; one that says nothing is returned as it is."""
        params, workload = self.of_params(row.params), self.label(row.workload)
        printed = row.printed and self.redactor.figure(row.printed)
        unit = self.unit(row.unit)
        if (params, workload, printed, unit) == (row.params, row.workload, row.printed, row.unit):
            return row
        return row._replace(params=params, workload=workload, printed=printed, unit=unit)

    def sample(self, row: Sample) -> Sample:
        """Return a sample as it may be written."""
        params, workload = self.of_params(row.params), self.label(row.workload)
        if (params, workload) == (row.params, row.workload):
            return row
        return row._replace(params=params, workload=workload)

    def step(self, step: StepRecord) -> StepRecord:
        """Return a step as it may be written."""
        redactor = self.redactor
        return replace(
            step,
            name=self.label(step.name),
            workload=self.label(step.workload),
            argv=redactor.words(step.argv),
            values=tuple((redactor.text(k), redactor.pair(k, v)) for k, v in step.values),
            params=self.of_params(step.params),
            context=tuple((redactor.text(k), redactor.pair(k, v)) for k, v in step.context),
        )

    def label(self, name: str) -> str:
        """Return a name; two that read alike afterwards are numbered."""
        if name not in self.labels:
            clean = self.redactor.label(name)
            taken = set(self.labels.values())
            number = 2
            unique = clean
            while clean != name and unique in taken:
                unique, number = f"{clean}-{number}", number + 1
            self.labels[name] = unique
        return self.labels[name]

    def unit(self, text: str) -> str:
        """Return a unit, looked at once."""
        if text not in self.units:
            self.units[text] = self.redactor.text(text)
        return self.units[text]

    def of_params(self, params: Params) -> Params:
        """Return parameters; two series that read alike afterwards stay two."""
        if params not in self.params:
            clean = tuple(
                sorted((self.redactor.text(k), self.redactor.pair(k, v)) for k, v in params)
            )
            number = self.taken[clean] = self.taken.get(clean, 0) + 1
            if number > 1 and clean != params:
                clean = tuple(
                    (k, f"{v} ({number})" if v not in dict(params).values() else v)
                    for k, v in clean
                )
            self.params[params] = clean
        return self.params[params]
