"""The colours of the light scheme, for drawings that leave the site: its style sheet names them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from sitegen import resources


@lru_cache(maxsize=1)
def light() -> Mapping[str, str]:
    """Return each colour of `site.css` by its name, as six hexadecimal digits after a #."""
    css = (resources.templates() / "assets/site.css").read_text("utf-8")
    scheme = css[css.index(":root {") : css.index("@supports")]
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", scheme))
