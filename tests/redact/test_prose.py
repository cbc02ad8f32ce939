"""What readers say of outputs is the project's own prose: redaction leaves it as it is."""

from __future__ import annotations

import ast
from pathlib import Path

from sitegen.collect.installed import forms
from sitegen.errors import SitegenError
from sitegen.redact import Redactor

RAW = Path(__file__).parents[1] / "raw"


def sentences() -> list[str]:
    """Return every note and doubt that readers have of the recorded outputs."""
    said: dict[str, None] = {}
    for path in sorted(p for p in RAW.rglob("*") if p.is_file()):
        data = path.read_bytes()
        for _, reader in forms().readers:
            try:
                readings = reader.runs(data, {}) if reader.knows(data) else ()
            except SitegenError:
                continue
            for one in readings:
                said |= dict.fromkeys(one.notes)
                said |= dict.fromkeys(sentence for _, sentence, _ in one.doubts)
    return list(said)


def test_the_prose_of_readers_is_not_taken_for_secrets() -> None:
    found = sentences()
    assert len(found) > 20
    assert [text for text in found if Redactor().text(text) != text] == []


def test_no_sentence_in_the_collectors_reads_like_a_secret() -> None:
    texts = [
        node.value
        for path in sorted((RAW.parents[1] / "collectors").rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    sentences = [text for text in texts if text.count(" ") > 3]
    assert len(sentences) > 500
    assert [text for text in sentences if Redactor().text(text) != text] == []
