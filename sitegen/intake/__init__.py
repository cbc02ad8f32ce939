"""What brings runs in: a round of `collect`, files of other tools, tidy rows, packs, remarks."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from sitegen.errors import SitegenError


@contextlib.contextmanager
def placed(place: object) -> Iterator[None]:
    """Name a ``place`` in what fails within, before the place that this names itself."""
    try:
        yield
    except SitegenError as error:
        where = f"{place}: {error.where}" if error.where else str(place)
        raise SitegenError(error.what, where=where, fix=error.fix) from error
