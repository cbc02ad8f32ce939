"""What sitegen is called where it is installed from, and the lines that install its parts.

The registry's `sitegen` is a package of somebody else's: the command and the import keep the name,
the distribution has one of its own.
"""

from __future__ import annotations

import re
from collections import Counter

#: As in `pyproject.toml`, which a test holds it to.
DISTRIBUTION = "sitegen-tee"
#: Where its code and documents are, as there.
ADDRESS = "https://github.com/sitegen-tee/sitegen"
_EXTRA = re.compile(r"^([\w.-]+).*;.*\bextra == ['\"]([\w-]+)['\"]")
#: Modules that are called otherwise than what installs them.
_INSTALLED_AS = {"pil": "pillow", "pynvml": "nvidia-ml-py"}


def install(extra: str, version: str = "") -> str:
    """Return the line that installs sitegen with one of its extras, of one version alone."""
    return f"pip install '{DISTRIBUTION}[{extra}]{'==' * bool(version)}{version}'"


def missing(module: str) -> str:
    """Return what a command says of a module that is not here; nothing for one of no extra."""
    from importlib import metadata  # as much CPU time as the rest of a command's start

    name = module.partition(".")[0].lower()
    name = _INSTALLED_AS.get(name, name).replace("_", "-")
    try:
        required = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        return ""
    pairs = [(one[1].lower(), one[2]) for line in required if (one := _EXTRA.match(line))]
    # An extra that is made of others has their parts too: the smallest is the one that is meant.
    sizes = Counter(extra for _, extra in pairs)
    extras = sorted((extra for part, extra in pairs if part == name), key=lambda one: sizes[one])
    return f"{absent(name)}; {install(extras[0])}" if extras else ""


def absent(package: str) -> str:
    """Return what is said of a package that is needed and not here."""
    return f"needs {package}, which is not installed here"
