"""Makes the bundle of live charts a part of whatever is built: a wheel without it has none.

hatchling runs it before it packs, however the build was begun. Where the bundle cannot be had, the
build ends with the reason.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class BundleHook(BuildHookInterface[Any]):
    """Runs `tools/plotly_bundle.py`, which does nothing where the bundle is in its place."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Fill templates/vendor/ before anything is packed."""
        del version, build_data
        script = Path(self.root, "tools", "plotly_bundle.py")
        if subprocess.run([sys.executable, str(script)], check=False).returncode:
            sys.exit("the bundle of live charts could not be had: nothing is built")
