"""What a table reads of an output, told to whoever writes the table."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from sitegen.catalogue.declared import Declared
from sitegen.catalogue.table import Output
from sitegen.collect.declared import checking, outputs
from sitegen.collect.declared.outputs import Known
from sitegen.collect.protocol import Reading
from sitegen.errors import SitegenError


class Trial(Struct, frozen=True):
    """What one form of a table makes of an output: what it reads, or why it does not.

    ``known`` says whether `import` would know the output by its content, and ``lacks`` what of
    that is not in it.
    """

    output: str
    known: bool
    lacks: tuple[str, ...]
    reading: Reading | None = None
    problem: str = ""


def trials(declared: Declared, data: bytes, fields: dict[str, str]) -> Iterator[Trial]:
    """Yield what each form of a table makes of ``data``; raises SitegenError for a wrong table.

    ``fields`` are what a command's settings would say beside the output.
    """
    checking.check(declared)
    for name, output in declared.table.outputs.items():
        lacks = tuple(text for text in output.knows if not outputs.knows(_with(output, text), data))
        asked = {key: value for key, value in fields.items() if key in output.asks}
        given: dict[str, str | float] = dict(fields)
        reading, problem = None, ""
        try:
            reading = outputs.read(declared, output, data, Known(fields=given, asked=asked))
        except SitegenError as error:
            problem = str(error)
        yield Trial(name, bool(output.knows) and not lacks, lacks, reading, problem)


def _with(output: Output, text: str) -> Output:
    return Output(output.values, form=output.form, knows=(text,))
