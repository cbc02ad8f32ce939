"""What people say of runs that are archived: notes, and withdrawals with a reason."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sitegen.archive import Archive
from sitegen.collect.host import timestamp
from sitegen.errors import SitegenError
from sitegen.model import Remark, RemarkKind

if TYPE_CHECKING:
    from pathlib import Path

    from sitegen.redact import Redactor


def remark(
    archive: Archive, run_id: str, kind: RemarkKind, text: str, redactor: Redactor
) -> tuple[str, Path]:
    """Say something of a run, redacted; return the run's whole id and the file.

    Raises SitegenError when there is no such run, when it was withdrawn in these words already,
    or for words that no page can show.
    """
    entry = archive.find(run_id)
    words = redactor.text(" ".join(text.split()))
    run, _, _ = archive.manifest(entry)
    if any(one.kind == kind and one.text == words for one in run.remarks):
        raise SitegenError("was said already, in these words", where=entry.run_id)
    new = Remark(kind, timestamp(datetime.now(UTC)), words)
    return entry.run_id, archive.remark_on(entry, new)
