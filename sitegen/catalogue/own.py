"""The tools that a report declares itself: for as long as the report is open, the tables know them."""

from __future__ import annotations

from collections.abc import Mapping

from sitegen.catalogue import declared
from sitegen.catalogue.declared import Declared
from sitegen.catalogue.families import FAMILIES
from sitegen.catalogue.metrics import METRICS
from sitegen.catalogue.parameters import PARAMETERS, united
from sitegen.catalogue.tool import SeriesParameter
from sitegen.errors import SitegenError

#: The tables of the report that is open, by benchmark; and what of the catalogue is theirs alone.
TABLES: dict[str, Declared] = {}
METRICS_OF_ITS_OWN: set[str] = set()
#: The parameters that own tools say something of, as the catalogue has them: None where it has not.
_PARAMETERS: dict[str, SeriesParameter | None] = {}


def use(tables: Mapping[str, tuple[object, str, str]]) -> None:
    """Let the tables of the catalogue know a report's own tools, and those of no report before it.

    Each is a table, the file that it stands in, and its note. Raises SitegenError for one that is
    no tool, or has the name of one that is known.
    """
    _forget()
    for benchmark, (raw, place, note) in tables.items():
        TABLES[benchmark] = one = declared.of(benchmark, raw, place, note)
        if benchmark in FAMILIES:
            del TABLES[benchmark]
            message = f"{benchmark!r} is a benchmark that sitegen knows"
            raise SitegenError(message, where=one.place, fix="give the tool another name")
        known = one.tool
        FAMILIES[benchmark] = known.family
        METRICS.update({metric.id: metric for metric in known.metrics})
        METRICS_OF_ITS_OWN.update(metric.id for metric in known.metrics)
        for each in known.parameters:
            try:
                whole = united(each, PARAMETERS.get(each.key))
            except SitegenError as error:
                raise SitegenError(error.what, where=one.place, fix=error.fix) from error
            _PARAMETERS.setdefault(each.key, PARAMETERS.get(each.key))
            PARAMETERS[each.key] = whole


def _forget() -> None:
    for benchmark in TABLES:
        FAMILIES.pop(benchmark, None)
    for key in METRICS_OF_ITS_OWN:
        METRICS.pop(key, None)
    for key, before in _PARAMETERS.items():
        if before is None:
            PARAMETERS.pop(key, None)
        else:
            PARAMETERS[key] = before
    METRICS_OF_ITS_OWN.clear()
    _PARAMETERS.clear()
    TABLES.clear()
