"""What a table reads of an output, told to whoever writes the table."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from sitegen.catalogue.declared import Declared
from sitegen.catalogue.table import Output
from sitegen.collect.declared import checking, outputs
from sitegen.collect.declared.outputs import Known
from sitegen.collect.installed import check_measurement
from sitegen.collect.protocol import Reading
from sitegen.errors import SitegenError


class Trial(Struct, frozen=True):
    """What one form of a table makes of an output: what it reads, or why it does not.

    ``known`` says whether `import` would know the output by its content, and ``absent`` what of
    that is not in it.
    """

    output: str
    known: bool
    absent: tuple[str, ...]
    reading: Reading | None = None
    problem: str = ""


def trials(declared: Declared, data: bytes, fields: dict[str, str]) -> Iterator[Trial]:
    """Yield what each form of a table makes of ``data``; raises SitegenError for a wrong table.

    ``fields`` are what a command's settings would say beside the output.
    """
    checking.check(declared)
    for name, output in declared.table.outputs.items():
        absent = tuple(each for each in output.knows if not _has(output, each, data))
        asked = {key: value for key, value in fields.items() if key in output.asks}
        given: dict[str, str | float] = dict(fields)
        reading, problem = None, ""
        try:
            reading = outputs.read_all(declared, output, data, Known(fields=given, asked=asked))
            for row in reading.measurements:
                check_measurement(row)
        except SitegenError as error:
            reading, problem = None, str(error)
        yield Trial(name, outputs.leads(declared, output, data), absent, reading, problem)


def _has(output: Output, text: str, data: bytes) -> bool:
    return outputs.knows(Output(form=output.form, knows=(text,)), data)
