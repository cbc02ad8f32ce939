"""A reader that is a table: it knows the outputs of a tool, and reads them for somebody else."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial

from sitegen.catalogue.declared import Declared
from sitegen.catalogue.table import Output
from sitegen.collect.declared import outputs
from sitegen.collect.declared.outputs import Known
from sitegen.collect.protocol import Bundle, Reader, Reading

Files = Mapping[str, bytes]
Asked = Mapping[str, str]


class TableReader:
    """Reads what a tool printed for somebody else, by the patterns of a table."""

    def __init__(self, declared: Declared) -> None:
        """Hold a table that is checked."""
        self.declared = declared
        self.BENCHMARK = declared.benchmark
        self.READERS = tuple(self._readers())
        self.BUNDLES = tuple(self._bundles())

    def _readers(self) -> Iterator[Reader]:
        for name, output in self._known():
            read: Callable[[bytes, Asked], tuple[Reading]] = partial(self._read, output)
            knows: Callable[[bytes], bool] = partial(outputs.leads, self.declared, output)
            forms = outputs.together(self.declared, output)
            asks = {key: text for one in forms for key, text in one.asks.items()}
            yield Reader(name, self._title(output), knows, read, asks, text=output.form == "text")

    def _bundles(self) -> Iterator[Bundle]:
        """Yield the outputs that are read with the document beside them."""
        for name, output in self._known():
            if output.beside:
                title = f"{self._title(output)}, with the {output.beside} beside it"
                knows: Callable[[Files], bool] = partial(_has_both, output)
                read: Callable[[Files, Asked], tuple[Reading]] = partial(self._read_both, output)
                asks = dict(output.asks)
                yield Bundle(f"{name}-named", title, knows, read, asks, beside=output.beside)

    def _read(
        self, output: Output, data: bytes, asked: Asked, beside: bytes = b""
    ) -> tuple[Reading]:
        return (outputs.read_all(self.declared, output, data, Known(asked=asked), beside),)

    def _read_both(self, output: Output, files: Files, asked: Asked) -> tuple[Reading]:
        own, beside = sorted(files.values(), key=lambda data: not outputs.knows(output, data))
        return self._read(output, own, asked, beside)

    def _known(self) -> Iterator[tuple[str, Output]]:
        """Yield the forms that are known by their content, each by its name."""
        for name, output in self.declared.table.outputs.items():
            if output.knows:
                own = name.startswith(self.BENCHMARK)
                yield name if own else f"{self.BENCHMARK}-{name}", output

    def _title(self, output: Output) -> str:
        return output.title or self.declared.table.title or self.BENCHMARK


def _has_both(output: Output, files: Files) -> bool:
    """Say whether these are an output of this form and one other file."""
    return sorted(outputs.knows(output, data) for data in files.values()) == [False, True]
