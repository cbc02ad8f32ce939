"""The examples in what is written for readers, so that tests can do what a reader would."""

from __future__ import annotations

import re


def blocks(text: str, language: str) -> list[str]:
    """Return the fenced examples of a language in a text of Markdown, in their order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
