"""What a user adds to an output with `--set`: it fills gaps, and overrules nothing."""

from __future__ import annotations

from collections.abc import Mapping

from sitegen.errors import SitegenError

_SHOWN = 40


def agreed(answers: Mapping[str, str], name: str, stated: str | None) -> str | None:
    """Return what the output states of ``name``, else what the user says; None without either.

    Raises SitegenError when the two differ.
    """
    said = answers.get(name)
    if stated is not None and said is not None and said != stated:
        raise SitegenError(
            f"the file says {stated[:_SHOWN]!r}, not {said[:_SHOWN]!r}",
            where=f"--set {name}",
            fix="leave it out: what a file says is not overruled",
        )
    return said if stated is None else stated
