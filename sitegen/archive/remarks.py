"""What is said of a run after it was written: notes and withdrawals, one small file each.

A run never changes, so they lie beside its folder, `<run id>.<kind>-<digest>.json`: files that
git, rsync and object stores bring together from several machines without a conflict.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import orjson

from sitegen import bounds
from sitegen.errors import SitegenError
from sitegen.model import RUN_ID, Remark, RemarkKind, check_time

SCHEMA = 1
_MAX_BYTES = 20_000
_MAX_TEXT = 2_000
_KINDS = "|".join(RemarkKind)
_NAME = re.compile(rf"({RUN_ID.pattern})\.(?:{_KINDS})-[0-9a-f]{{8}}\.json")
_KEYS = {"schema", "run", "kind", "at", "text"}


def run_of(name: str) -> str:
    """Return the run that a file of this name is about, or nothing when it is none."""
    match = _NAME.fullmatch(name)
    return match[1] if match else ""


def dump(run_id: str, remark: Remark) -> tuple[str, bytes]:
    """Return the name and the bytes of a remark's file; the same words, the same file."""
    data: dict[str, Any] = {
        "schema": SCHEMA,
        "run": run_id,
        "kind": remark.kind,
        "at": check_time(remark.at),
        "text": check_text(remark.text),
    }
    written = orjson.dumps(data, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS) + b"\n"
    return f"{run_id}.{remark.kind}-{_digest(written)}.json", written


def parse(name: str, data: bytes) -> Remark:
    """Return the remark in a file; raises SitegenError when it is damaged or not its own."""
    try:
        value: dict[str, Any] = orjson.loads(data[: _MAX_BYTES + 1])
        if value["schema"] > SCHEMA:
            raise SitegenError(
                f"has schema version {value['schema']}, newer than this sitegen's {SCHEMA}",
                where=name,
                fix="update sitegen",
            )
        found = Remark(RemarkKind(value["kind"]), check_time(value["at"]), value["text"])
        check_text(found.text)
        about = str(value["run"]) if set(value) == _KEYS else ""
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SitegenError("is not a note of a run", where=name) from error
    if dump(about, found) != (name, data):
        raise SitegenError("does not match the digest in its name", where=name)
    return found


def load(file: Path) -> bytes:
    """Return the bytes of a remark's file; raises SitegenError for what can be none."""
    return bounds.read_file(file, _MAX_BYTES)


def read(folder: Path, names: tuple[str, ...]) -> tuple[Remark, ...]:
    """Return the remarks in these files of ``folder``, oldest first.

    A damaged one is left out, and `fsck` names it: a run stands without it.
    """
    found = []
    for name in names:
        try:
            found.append((parse(name, load(folder / name)), name))
        except SitegenError:
            continue
    return tuple(one for one, _ in sorted(found, key=lambda pair: (pair[0].at, pair[1])))


def check_text(text: str) -> str:
    """Return ``text`` when it can be said of a run; raises SitegenError otherwise."""
    if not text.strip() or len(text) > _MAX_TEXT or not text.isprintable():
        raise SitegenError(
            "is not a sentence", where="the text", fix=f"one line of at most {_MAX_TEXT} characters"
        )
    return text


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:8]
