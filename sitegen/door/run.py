"""One run of a report, whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from html import escape
from typing import TYPE_CHECKING

from msgspec import structs

from sitegen import bounds, model
from sitegen.archive import frames, store
from sitegen.archive.remote import opened
from sitegen.door import values
from sitegen.door.values import Names
from sitegen.errors import SitegenError

if TYPE_CHECKING:
    from datetime import datetime

    import pandas as pd

    from sitegen.archive.library import Held
    from sitegen.archive.manifest import File
    from sitegen.config import Config
    from sitegen.model import Source, StepRecord, TeeVerdict, ToolIdentity


class Run:
    """One run, whole: who took it, where, with what, and all that it left."""

    def __init__(self, settings: Config, held: Held, rows: Callable[..., pd.DataFrame]) -> None:
        """Read its manifest; use `Report.run`. ``rows`` gives the measurements of a report."""
        self._held, self._rows = held, rows
        self._archive = opened(settings)
        self._run, self._files, _ = self._archive.manifest(held.entry)

    @property
    def id(self) -> str:
        """Its permanent id, which its page is called by."""
        return self._run.id

    @property
    def environment(self) -> str:
        """The label that its platform goes by today."""
        return self._held.run.environment

    @property
    def benchmark(self) -> str:
        """The family that it is of."""
        return self._run.benchmark

    @property
    def provenance(self) -> str:
        """Who took it: collected, imported or cited."""
        return str(self._run.provenance)

    @property
    def started_at(self) -> datetime | None:
        """When it was taken, as the beginning of what is known of that; None when nothing is."""
        return values.moment(self._run)

    @property
    def record(self) -> model.Run:
        """Everything that its manifest says, as `sitegen.model.Run`; rows are left out."""
        return self._run

    @property
    def facts(self) -> Mapping[str, str | None]:
        """What was seen of the machine; None is what it does not show."""
        return {fact.name: fact.value for fact in self._run.fingerprint.facts}

    @property
    def parameters(self) -> Mapping[str, str]:
        """The settings that hold for all of it."""
        return {one.name: one.value for one in self._run.parameters}

    @property
    def tool(self) -> ToolIdentity | None:
        """The program that measured: `name`, `version`, `path`, `sha256`."""
        return self._run.tool

    @property
    def tee(self) -> TeeVerdict:
        """Which TEE the machine's own signals show: `kind`, `confidence`, `reasons`, `signals`."""
        return self._run.fingerprint.tee

    @property
    def source(self) -> Source | None:
        """The publication of a cited run."""
        return self._run.source

    @property
    def steps(self) -> tuple[StepRecord, ...]:
        """The commands that were run: `argv`, `started_at`, `duration_s`, `exit_code`, ..."""
        return self._run.steps

    @property
    def remarks(self) -> tuple[str, ...]:
        """What was said of it since, and what its reader doubts, a sentence each."""
        from sitegen.analysis import caveats

        said = []
        for remark in self._run.remarks:
            _, at, text = structs.astuple(remark)
            said.append(f"{remark.kind}, {at[:10]}: {text}")
        return (*said, *(one.sentence for one in caveats.of_reading(self._run)))

    @property
    def raw_names(self) -> tuple[str, ...]:
        """What the raw outputs are called that it keeps, for `raw`."""
        return tuple(sorted(self._raw))

    def raw(self, name: str) -> bytes:
        """Return a raw output as the tool wrote it, redacted; raises SitegenError for no name."""
        file = self._raw.get(name)
        if file is None:
            there = ", ".join(self.raw_names[: values.MOST_NAMED]) or "none"
            raise SitegenError(f"no raw output {name[:80]!r}", where=self.id, fix=f"of {there}")
        data = self._archive.checked(self._held.entry, file)
        return bounds.unpacked(data, store.most_raw(data))

    def measurements(self, *, metric: Names = (), caveats: bool = True) -> pd.DataFrame:
        """Return its measurements, as `Report.measurements` does."""
        return self._rows(run=self.id, metric=metric, caveats=caveats)

    def samples(self) -> pd.DataFrame:
        """Return the raw series behind its measurements; no row where it has none."""
        values.pandas_here()
        file = next((one for one in self._files if one.name == "samples.parquet"), None)
        data = self._archive.checked(self._held.entry, file) if file else None
        return frames.frame(frames.samples(data))

    @property
    def _raw(self) -> dict[str, File]:
        names = (one for one in self._files if one.name.startswith("raw/"))
        return {one.name.removeprefix("raw/").removesuffix(".gz"): one for one in names}

    def __repr__(self) -> str:
        return f"<sitegen run {self.id}: {self._words()}>"

    def _repr_html_(self) -> str:
        lines = [self._words(), f"raw outputs: {len(self.raw_names)}", *self.remarks]
        return "<br>".join((f"<b>{escape(self.id)}</b>", *map(escape, lines)))

    def _words(self) -> str:
        run = self._run
        when = "undated" if run.undated else run.started_at
        parts = [f"{run.benchmark} in {self.environment}", run.provenance, when]
        parts += [f"{run.tool.name} {run.tool.version}"] if run.tool else []
        parts += [f"TEE {run.fingerprint.tee.kind}"] if run.fingerprint.facts else []
        parts += [] if run.complete else ["incomplete"]
        parts += [f"withdrawn: {run.withdrawn}"] if run.withdrawn else []
        return ", ".join(parts)
