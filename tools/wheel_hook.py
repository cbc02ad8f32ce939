"""What hatchling runs when a wheel or a source archive is built, however that was begun.

The bundle of live charts is a part of what is built: without it there is none, and where it cannot
be had, the build ends with the reason. The README is the long description, and its links lead to
the repository: on an index of packages there is nothing beside it.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.metadata.plugin.interface import MetadataHookInterface

#: A link to a file of the repository, and whether it is a picture.
_LINK = re.compile(r"(!?)(\[[^\]]*\])\((?![a-z]+:|#)([^)\s]+)\)")


class LinksHook(MetadataHookInterface):
    """Gives the README as the long description, with links that work anywhere."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Add the long description."""
        source = metadata["urls"]["Source"]

        def absolute(link: re.Match[str]) -> str:
            view = "raw" if link[1] else "blob"
            return f"{link[1]}{link[2]}({source}/{view}/main/{link[3]})"

        text = _LINK.sub(absolute, Path(self.root, "README.md").read_text("utf-8"))
        metadata["readme"] = {"content-type": "text/markdown", "text": text}


class BundleHook(BuildHookInterface[Any]):
    """Runs `tools/plotly_bundle.py`, which does nothing where the bundle is in its place."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Fill templates/vendor/ before anything is packed."""
        del version, build_data
        script = Path(self.root, "tools", "plotly_bundle.py")
        if subprocess.run([sys.executable, str(script)], check=False).returncode:
            sys.exit("the bundle of live charts could not be had: nothing is built")
