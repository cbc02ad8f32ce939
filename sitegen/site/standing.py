"""Whether a built site is what a build would make of its report now."""

from __future__ import annotations

import contextlib
from pathlib import Path

from msgspec.structs import replace

from sitegen import resources
from sitegen.archive.remote import opened
from sitegen.archive.store import Entry
from sitegen.config import Config, place_of
from sitegen.errors import SitegenError, few
from sitegen.site import keys, theme
from sitegen.site.folder import State


def state_file(config: Config) -> Path:
    """Return where the last build of a site left what it was made from."""
    # Two names of one folder are one site.
    return config.cache / "build" / f"{keys.short(str(config.output.resolve()))}.json"


def key(config: Config, entries: list[Entry]) -> str:
    """Return what a site is made from now; ``entries`` are the archive's, stamped."""
    return keys.of_site(config, entries, resources.source_digest(), theme.read(config.theme).digest)


def as_built(config: Config) -> Config:
    """Return the settings with what the last build's command line put above them."""
    given = State.load(state_file(config)).given
    archive, elsewhere = config.archive, config.elsewhere
    if "archive" in given:
        archive, elsewhere = place_of(given["archive"], config.cache)
    base_url = given.get("base_url", config.base_url)
    return replace(config, archive=archive, elsewhere=elsewhere, base_url=base_url, given=given)


def failed(config: Config, error: Exception) -> None:
    """Keep it with a site that a later build of it failed, and how."""
    file = state_file(config)
    if file.is_file():
        state = State.load(file)
        state.failed = f"{error}" or type(error).__name__
        with contextlib.suppress(OSError):
            state.save(file)


def check(config: Config, *, despite_damage: bool = False) -> None:
    """Raise SitegenError for a site that is not what its report says, or lacks some of it.

    That runs are set aside as damaged is let through ``despite_damage``.
    """
    state = State.load(state_file(config))
    where = str(config.output)
    given = "".join(f" --{name.replace('_', '-')} {text}" for name, text in state.given.items())
    again = f"run `sitegen build{given}`"
    if state.failed:
        fix = f"mend it, and {again}"
        raise SitegenError(f"the last build failed: {state.failed}", where=where, fix=fix)
    if not state.key:
        message = "what it was made from is not known here: the cache was deleted"
        raise SitegenError(message, where=where, fix=again)
    config = as_built(config)
    now = key(config, opened(config).stamped())
    if state.key != now:
        words = " and ".join(keys.changed(state.key, now))
        raise SitegenError(f"is older than {words}", where=where, fix=again)
    if state.damaged and not despite_damage:
        paths = [path for path, _ in state.damaged]
        also = "".join(f"; {line}" for line in state.unsaid[:1])
        message = f"lacks runs that are damaged: {few(paths)}{also}"
        fix = "`sitegen fsck` says how they are mended; --despite-damage publishes without them"
        raise SitegenError(message, where=where, fix=fix)
