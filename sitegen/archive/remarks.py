"""What is said of a run after it was written: notes and withdrawals, one small file each.

A run never changes, so they lie beside its folder, `<run id>.<kind>-<digest>.json`: files that
git, rsync and object stores bring together from several machines without a conflict.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from pathlib import Path

import msgspec
import orjson
from msgspec import Struct

from sitegen import bounds
from sitegen.errors import SitegenError
from sitegen.model import RUN_ID, Remark, RemarkKind, check_time

SCHEMA = 1
_MAX_BYTES = 20_000
_MAX_TEXT = 2_000
_KINDS = "|".join(RemarkKind)
_NAME = re.compile(rf"({RUN_ID.pattern})\.(?:{_KINDS})-[0-9a-f]{{8}}\.json")


class _Version(Struct):
    schema: int


class _File(Struct, frozen=True, forbid_unknown_fields=True):
    """A remark's file as JSON."""

    schema: int
    run: str
    kind: RemarkKind
    at: str
    text: str


def run_of(name: str) -> str:
    """Return the run that a file of this name is about, or nothing when it is none."""
    match = _NAME.fullmatch(name)
    return match[1] if match else ""


def dump(run_id: str, remark: Remark) -> tuple[str, bytes]:
    """Return the name and the bytes of a remark's file; the same words, the same file."""
    file = _File(SCHEMA, run_id, remark.kind, check_time(remark.at), check_text(remark.text))
    data = msgspec.to_builtins(file)
    written = orjson.dumps(data, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS) + b"\n"
    return f"{run_id}.{remark.kind}-{hashlib.sha256(written).hexdigest()[:8]}.json", written


def parse(name: str, data: bytes) -> Remark:
    """Return the remark in a file; raises SitegenError when it is damaged or not its own."""
    try:
        version = msgspec.json.decode(data[: _MAX_BYTES + 1], type=_Version).schema
        if version > SCHEMA:
            raise SitegenError(
                f"has schema version {version}, newer than this sitegen's {SCHEMA}",
                where=name,
                fix="update sitegen",
            )
        file = msgspec.json.decode(data, type=_File)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SitegenError("is not a note of a run", where=name) from error
    remark = Remark(file.kind, file.at, file.text)
    if dump(file.run, remark) != (name, data):
        raise SitegenError("does not match the digest in its name", where=name)
    return remark


def load(file: Path) -> bytes:
    """Return the bytes of a remark's file; raises SitegenError for what can be none."""
    return bounds.read_file(file, _MAX_BYTES)


def read(folder: Path, names: tuple[str, ...]) -> tuple[Remark, ...]:
    """Return the remarks in these files of ``folder``, oldest first.

    A damaged one is left out, and `fsck` names it: a run stands without it.
    """
    dated = []
    for name in names:
        with contextlib.suppress(SitegenError):
            remark = parse(name, load(folder / name))
            dated.append((remark.at, name, remark))
    return tuple(remark for _, _, remark in sorted(dated))


def check_text(text: str) -> str:
    """Return ``text`` when it can be said of a run; raises SitegenError otherwise."""
    if not text.strip() or len(text) > _MAX_TEXT or not text.isprintable():
        raise SitegenError(
            "is not a sentence", where="the text", fix=f"one line of at most {_MAX_TEXT} characters"
        )
    return text
