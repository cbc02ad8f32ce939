"""Looking at a report on this machine while it is written: it is built, shown, and built again."""

from __future__ import annotations

import contextlib
import importlib.util
import signal
from collections.abc import Callable
from typing import TYPE_CHECKING

from sitegen.distribution import install
from sitegen.errors import SitegenError, few, many
from sitegen.site import standing
from sitegen.site.build import Result, build
from sitegen.site.folder import MARK, digest_of
from sitegen.site.loopback import Loopback, News
from sitegen.site.watching import Watcher

if TYPE_CHECKING:
    from sitegen.config import Config

_WITHOUT = f"pages are not loaded again when the report changes: `{install('preview')}` brings that"


def serve(
    load: Callable[[], Config], port: int, say: Callable[[str], None], *, watch: bool = True
) -> None:
    """Build the site, serve it on loopback until interrupted, and build it again on every change.

    A build that fails leaves the old site up, and says why there and here. Without ``watch``, or
    what watches, it is built once. Raises SitegenError for settings that are not understood, for a
    port that is taken, and when there is no site and will be none.
    """
    if watch and importlib.util.find_spec("watchfiles") is None:
        say(_WITHOUT)
        watch = False
    # Whoever ends it otherwise than by Ctrl-C means the same.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    first = standing.as_built(load())
    try:
        with Loopback(port, _news(first, ""), live=watch) as server:
            _Shown(server, first, load, say).run(watch=watch)
    except KeyboardInterrupt:
        say("")


class _Shown:
    """A report that is shown: ``config`` are the settings that were last understood."""

    def __init__(
        self,
        server: Loopback,
        config: Config,
        load: Callable[[], Config],
        say: Callable[[str], None],
    ) -> None:
        self.server, self.config, self.load, self.say = server, config, load, say
        self.told: list[str] = []

    def run(self, *, watch: bool) -> None:
        if not (self.config.output / MARK).is_file():
            self.say(f"no site in {self.config.output} yet: it is built first")
        if not watch:
            failed = self.build("")
            if failed and not (self.config.output / MARK).is_file():
                raise failed
            self.say(f"{self.server.address} (Ctrl-C ends it)")
            while True:
                signal.pause()
        why, address = "", f"{self.server.address} (changes are shown at once; Ctrl-C ends it)"
        while True:
            # Settings may name other folders now; where they are not understood, the build says so.
            with contextlib.suppress(SitegenError):
                self.config = standing.as_built(self.load())
            # It watches before it builds: what changes meanwhile is seen.
            with Watcher(self.config) as watcher:
                self.build(why)
                if address:
                    self.say(address)
                address = ""
                changes = watcher.changes()
            why = few(changes)

    def build(self, why: str) -> SitegenError | None:
        """Build and show what came of it; return how it failed. ``why`` names what has changed."""
        failed = None
        try:
            self.config = standing.as_built(self.load())
            result = build(self.config, self.say)
        except (SitegenError, OSError) as error:
            failed = error if isinstance(error, SitegenError) else _failure(error)
        except Exception as error:  # noqa: BLE001 - the next change may mend it
            failed = SitegenError(f"{type(error).__name__}: {error}")
        else:
            self._tell(result, why)
        if failed:
            self.say(f"not built: {failed}")
        self.server.show(_news(self.config, str(failed or "")))
        return failed

    def _tell(self, result: Result, why: str) -> None:
        lines = [f"set aside: {run.path}: {run.reason}" for run in result.damaged]
        lines += [f"note: {hint}" for hint in result.hints]
        for line in lines:
            if line not in self.told:
                self.say(line)
        self.told = lines
        rendered = f"{many(result.rendered, 'page')} of {result.pages} rendered"
        changed = f"{many(result.written, 'file')} written, {result.cpu_s:.1f} CPU-s"
        self.say(f"{why or 'built'}: {rendered}, {changed}")


def _failure(error: OSError) -> SitegenError:
    return SitegenError(f"{error.strerror or error}", where=f"{error.filename or ''}")


def _news(config: Config, error: str) -> News:
    """Return what is shown; equal versions are equal sites."""
    mark = config.output / MARK
    version = digest_of(mark.read_bytes()) if mark.is_file() else ""
    return News(str(config.output.absolute()), version, error)
