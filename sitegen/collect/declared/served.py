"""A server of a table, its texts filled in: for the tables that name it, and for collectors."""

from __future__ import annotations

import os
import pwd
import shutil
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from sitegen.catalogue import declared
from sitegen.catalogue.table import Server
from sitegen.collect import servers
from sitegen.collect.declared import fields
from sitegen.collect.host import Host, RawOutput
from sitegen.collect.protocol import Refused, Step
from sitegen.errors import SitegenError

if TYPE_CHECKING:
    import psutil

#: What the context of its steps holds: the run's folder, the ports, the command.
FOLDER, PORTS, SERVE = "folder", "ports", "serve"
#: The step that makes what it needs, once a run.
PREPARE = "prepare"
_PREPARE_S = 300.0


class Served(Struct, frozen=True):
    """What starts a server, the files that it needs, and what makes its data.

    ``tells`` is what a run keeps of it.
    """

    command: tuple[str, ...]
    files: Mapping[str, str]
    prepare: tuple[tuple[str, ...], ...]
    after: tuple[tuple[str, ...], ...]
    tells: Mapping[str, str]


def shared(name: str) -> Server:
    """Return a server that several tools share; raises SitegenError when there is none."""
    return declared.server(name, name)


def filled(server: Server, values: Mapping[str, object], place: str) -> Served:
    """Return a server with ``values`` in the place of ``{names}``.

    Raises SitegenError with ``place`` for a name that stands for nothing.
    """
    every = {**server.names, **values}

    def line(words: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(text(word, every, place) for word in words)

    return Served(
        line(server.command),
        {name: text(each, every, place) for name, each in server.files.items()},
        tuple(map(line, server.prepare)),
        tuple(map(line, server.after)),
        {name: text(each, every, place) for name, each in server.tells.items()},
    )


def text(template: str, values: Mapping[str, object], place: str) -> str:
    """Return a text with its ``{names}`` filled in; raises SitegenError for one that is nothing."""
    whole = fields.filled(template, values)
    if whole is None:
        absent = next(name for name in fields.holes(template) if name not in values)
        raise SitegenError(f"nothing is called {{{absent}}}", where=place)
    return whole


class Hosted(Struct, frozen=True):
    """A server of a table on this machine: for the length of a step, in a folder of the run's."""

    server: Server
    benchmark: str
    elsewhere: bool = False  # whether a setting ``directory`` says where its folder is

    def prepared(self, context: Sequence[tuple[str, str]], one: Served) -> tuple[Step, ...]:
        """Return the step that writes its files and makes its data, where it has any."""
        if not (one.files or one.prepare or one.after):
            return ()
        told = {"files": one.files, "before": one.prepare, "after": one.after}
        more = tuple((name, msgspec.json.encode(each).decode()) for name, each in told.items())
        argv = (PREPARE, self.benchmark)
        return (Step(PREPARE, PREPARE, argv, _PREPARE_S, context=(*context, *more)),)

    def make(self, step: Step, host: Host) -> RawOutput:
        """Write its files and run what makes its data; the first that fails ends it."""
        files, before, after = (
            msgspec.json.decode(step.get(name)) for name in ("files", "before", "after")
        )
        user, place = self._user, self._home(Path(step.get(FOLDER)))
        for name, each in files.items():
            (place / name).write_text(each, "utf-8")
        said: list[RawOutput] = []
        for line in before:
            said.append(host.run([*_as(user), *line], timeout_s=step.timeout_s, cwd=place))
            if said[-1].exit_code:
                return _together(said)
        if after:
            with self.serving(step, host):
                for line in after:
                    said.append(host.run([*_as(user), *line], timeout_s=step.timeout_s, cwd=place))
                    if said[-1].exit_code:
                        break
        return _together(said)

    def serving(self, step: Step, host: Host) -> AbstractContextManager[psutil.Process]:
        """Run it for the length of the block; raises SitegenError as `servers.serving` does."""
        folder = Path(step.get(FOLDER))
        if not (self.server.files or self.server.prepare or self.server.after):
            # What it kept of another step would be there again.
            shutil.rmtree(home(folder), ignore_errors=True)
        place = self._home(folder)
        return servers.serving(
            host,
            [*_as(self._user), *msgspec.json.decode(step.get(SERVE))],
            ports_of(step),
            folder=place,
            where=self.benchmark,
            start_s=self.server.start_s,
        )

    @property
    def _user(self) -> str:
        """The user that it runs as: another one where it refuses root."""
        return self.server.user if os.geteuid() == 0 else ""

    def _home(self, folder: Path) -> Path:
        """Make the folder of the server, its user's own; raises Refused where that cannot be."""
        self._check_user(folder)
        place = home(folder)
        place.mkdir(exist_ok=True)
        if user := self._user:
            folder.chmod(0o711)
            shutil.chown(place, user, pwd.getpwnam(user).pw_gid)
        return place

    def _check_user(self, scratch: Path) -> None:
        """Raise Refused where its user could not reach its folder."""
        user, fix = self._user, "run sitegen as another user than root"
        if not user:
            return
        try:
            pwd.getpwnam(user)
        except KeyError:
            message = f"its server refuses root, and there is no user {user!r}"
            raise Refused(message, where=self.benchmark, fix=fix) from None
        closed = [one for one in scratch.absolute().parents if not one.stat().st_mode & 0o001]
        if closed:
            message = f"its server refuses root, and the user {user!r} cannot reach {closed[-1]}"
            if self.elsewhere:
                fix += f", or name another folder: --set {self.benchmark}.directory=/var/tmp"
            raise Refused(message, where=self.benchmark, fix=fix)


def ports_of(step: Step) -> list[int]:
    """Return the ports that the server of a step listens on; none of one elsewhere."""
    return [int(port) for port in step.get(PORTS).split(",") if port]


def home(folder: Path) -> Path:
    """Return the folder of the server, in that of the run."""
    return folder / "server"


def _as(user: str) -> tuple[str, ...]:
    """Return what runs a command as another user.

    Whoever changes its user outlives its parent, unless that is said anew. SIGQUIT lets
    PostgreSQL take its shared memory with it.
    """
    if not user:
        return ()
    group = pwd.getpwnam(user).pw_gid  # which need not be called as the user is
    who = (f"--reuid={user}", f"--regid={group}", "--clear-groups")
    return ("setpriv", *who, "--pdeathsig", "QUIT", "--")


def _together(said: Sequence[RawOutput]) -> RawOutput:
    """Return several commands, one after another, as one; it failed as the last of them."""
    return RawOutput(
        stdout=b"".join(one.stdout for one in said),
        stderr=b"".join(one.stderr for one in said),
        exit_code=said[-1].exit_code if said else 0,
        started_at=said[0].started_at if said else "",
        duration_s=sum(one.duration_s for one in said),
    )
