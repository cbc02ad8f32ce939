"""Models of random weights: Llama's architecture at a named size, made in seconds, no download.

What a model of random weights says means nothing, and costs what a trained one of its size
costs. The same name and seed give the same bytes on every machine, so runs meet. The file
format is GGUF version 3, written with the `gguf` package.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import os
import string
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from sitegen.collect import install
from sitegen.errors import SitegenError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

#: Raised when a change makes other bytes of the same name and seed: kept files are then stale.
VERSION = 1
CONTEXT = 4096
ARCHITECTURE = "llama"

_SPECIAL = ("<unk>", "<s>", "</s>")
_BYTES = tuple(f"<0x{byte:02X}>" for byte in range(256))
_SPACE = "\u2581"
_HEAD_STD = 16.0  # of a logit: the best word always stands far above the zeros of special tokens
_BODY_STD = 0.4
_QUANT_BLOCK, _QUANT_BLOCK_BYTES = 32, 34  # of Q8_0: one scale in 16 bits, 32 bytes
_INT8_STD, _INT16_STD = 256 / 12**0.5, 65536 / 12**0.5


class Size(Struct, frozen=True):
    """The shape of a model: Llama with grouped attention, and how its matrices are stored."""

    embedding: int
    blocks: int
    heads: int
    kv_heads: int
    feed_forward: int
    quantisation: str  # "F32" or "Q8_0"


#: By about how many parameters.
SIZES = {
    "tiny": Size(64, 2, 4, 2, 128, "F32"),
    "15m": Size(512, 6, 8, 4, 1024, "F32"),
    "60m": Size(768, 9, 12, 4, 2048, "Q8_0"),
    "125m": Size(1024, 10, 16, 8, 2944, "Q8_0"),
    "350m": Size(1536, 14, 24, 8, 4096, "Q8_0"),
    "1b": Size(2048, 22, 32, 8, 5632, "Q8_0"),
}


def model_name(name: str) -> str:
    """Return what the model of one size is called on a page."""
    return f"random-llama-{name}"


def parameters(name: str) -> int:
    """Return how many weights the model of one size has."""
    return sum(rows * columns for _, rows, columns in _tensors(_size(name)))


def vocabulary() -> tuple[str, ...]:
    """Return the tokens in the order of their ids.

    Three special ones, the 256 bytes, the printable ASCII characters, and after a space every
    letter and every pair of them: a word of two letters is one token.
    """
    letters = string.ascii_lowercase
    characters = [chr(code) for code in range(33, 127)]
    pairs = ("".join(pair) for pair in itertools.product(letters, repeat=2))
    words = (_SPACE + word for word in itertools.chain(letters, pairs))
    return (*_SPECIAL, *_BYTES, _SPACE, *characters, *words)


def first_word() -> int:
    """Return the id of the first token that a model may say: those before are never sampled."""
    return len(_SPECIAL) + len(_BYTES)


def write(path: Path, name: str, seed: int = 0) -> None:
    """Write the model of one size; ``path`` is whole or not there.

    Raises SitegenError for an unknown size, without the `gguf` package, or when it cannot be
    written.
    """
    size = _size(name)
    try:
        import gguf
        import numpy as np
    except ImportError as error:
        reason, fix = "a random-weight model needs gguf", install("embedded")
        raise SitegenError(reason, where="llm", fix=fix) from error
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        writer = gguf.GGUFWriter(part, ARCHITECTURE)
        _describe(writer, name, size)
        for tensor, rows, columns in _tensors(size):
            shape, kind, stored = (rows, columns), "f4", None
            if rows > 1 and size.quantisation == "Q8_0":
                shape = (rows, columns // _QUANT_BLOCK * _QUANT_BLOCK_BYTES)
                kind, stored = "u1", gguf.GGMLQuantizationType.Q8_0
            length = math.prod(shape) * np.dtype(kind).itemsize
            writer.add_tensor_info(tensor, shape[rows == 1 :], np.dtype(kind), length, stored)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for values in _values(size, seed):
            writer.write_tensor_data(values)
        writer.close()
        part.replace(path)
    except OSError as error:
        message = f"the model cannot be written: {error.strerror or error}"
        raise SitegenError(message, where=str(path)) from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink()


def _size(name: str) -> Size:
    if name in SIZES:
        return SIZES[name]
    names = ", ".join(SIZES)
    raise SitegenError(f"there is no model size {name[:40]!r}", fix=f"use one of {names}")


def _tensors(size: Size) -> Iterator[tuple[str, int, int]]:
    """Yield the names of llama.cpp with rows and columns; a norm is one row."""
    width, hidden = size.embedding, size.feed_forward
    narrow = width // size.heads * size.kv_heads
    words = len(vocabulary())
    yield "token_embd.weight", words, width
    for block in range(size.blocks):
        for part, rows, columns in (
            ("attn_norm", 1, width),
            ("attn_q", width, width),
            ("attn_k", narrow, width),
            ("attn_v", narrow, width),
            ("attn_output", width, width),
            ("ffn_norm", 1, width),
            ("ffn_gate", hidden, width),
            ("ffn_up", hidden, width),
            ("ffn_down", width, hidden),
        ):
            yield f"blk.{block}.{part}.weight", rows, columns
    yield "output_norm.weight", 1, width
    yield "output.weight", words, width


def _describe(writer: Any, name: str, size: Size) -> None:  # noqa: ANN401 - gguf is loaded late
    import gguf

    tokens, kinds, stored = vocabulary(), gguf.TokenType, gguf.LlamaFileType
    types = [kinds.UNKNOWN, kinds.CONTROL, kinds.CONTROL, *[kinds.BYTE] * len(_BYTES)]
    types += [kinds.NORMAL] * (len(tokens) - first_word())
    writer.add_name(model_name(name))
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(size.embedding)
    writer.add_block_count(size.blocks)
    writer.add_feed_forward_length(size.feed_forward)
    writer.add_head_count(size.heads)
    writer.add_head_count_kv(size.kv_heads)
    writer.add_rope_dimension_count(size.embedding // size.heads)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(tokens))
    writer.add_file_type(stored.ALL_F32 if size.quantisation == "F32" else stored.MOSTLY_Q8_0)
    writer.add_tokenizer_model("llama")
    writer.add_token_list(list(tokens))
    # Joined in the order of their ids: a space and a letter before the word that they begin.
    writer.add_token_scores([-float(index) for index in range(len(tokens))])
    writer.add_token_types(types)
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_add_bos_token(value=True)
    writer.add_chat_template("{% for message in messages %}{{ message['content'] }}{% endfor %}")


def _values(size: Size, seed: int) -> Iterator[npt.NDArray[np.generic]]:
    """Yield the tensors as they are stored, in the order of `_tensors`.

    Drawn from raw output of PCG64, whose stream numpy guarantees for all versions; that of a
    distribution it does not.
    """
    import numpy as np

    source = np.random.PCG64(seed)
    for tensor, rows, columns in _tensors(size):
        if rows == 1:
            yield np.ones(columns, "<f4")
            continue
        is_head = tensor == "output.weight"
        std = (_HEAD_STD if is_head else _BODY_STD) / columns**0.5
        quantised = size.quantisation == "Q8_0"
        draws = rows * columns // (8 if quantised else 4)
        bits = source.random_raw(draws).astype("<u8", copy=False)
        if quantised:
            kind = np.dtype([("scale", "<f2"), ("quants", "i1", _QUANT_BLOCK)])
            blocks = np.empty((rows, columns // _QUANT_BLOCK), kind)
            blocks["scale"] = std / _INT8_STD
            blocks["quants"] = bits.view("i1").reshape(rows, -1, _QUANT_BLOCK)
            if is_head:
                blocks["quants"][: first_word()] = 0
            yield blocks.view("u1").reshape(rows, -1)
        else:
            scale = np.float32(std / _INT16_STD)
            matrix = bits.view("<i2").astype("<f4").reshape(rows, columns) * scale
            if is_head:
                matrix[: first_word()] = 0
            yield matrix


if __name__ == "__main__":
    try:
        write(Path(sys.argv[2]), sys.argv[1])
    except (SitegenError, IndexError) as problem:
        sys.exit(f"{problem}\nusage: python -m collectors.llm.weights SIZE PATH")
