"""Putting a built site where people read it: the branch that GitHub Pages serves."""

from __future__ import annotations

import contextlib
import subprocess
from typing import TYPE_CHECKING

from sitegen.errors import SitegenError

if TYPE_CHECKING:
    from sitegen.config import Config


def to_branch(config: Config, *, branch: str, remote: str, push: bool) -> str:
    """Commit the built site to ``branch`` as its only commit, push it, and say what was done.

    The branch has no history: a site is rebuilt from its archive, and a branch that grows by
    every build would not stay small. Raises SitegenError when there is no site or no git.
    """
    import ghp_import

    site = config.output
    if not (site / "sitegen.json").is_file():
        raise SitegenError("no built site", where=str(site), fix="run `sitegen build` first")
    folder = str(site.absolute())
    try:
        # The report's repository is the one that its settings lie in, not the current folder's.
        with contextlib.chdir(config.root):
            ghp_import.ghp_import(
                folder,
                remote=remote,
                branch=branch,
                mesg="Publish the report",
                push=push,
                force=True,
                nojekyll=True,
                no_history=True,
            )
    except (ghp_import.GhpError, subprocess.CalledProcessError, OSError) as error:
        said = str(error).strip().splitlines() or ["git failed"]
        raise SitegenError(
            f"git would not take it: {said[-1][:200]}",
            where=branch,
            fix="check the remote, or use --no-push",
        ) from error
    done = f"pushed to {remote}" if push else "not pushed"
    return f"{site} is on branch {branch}, {done}"
