from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import Any

import pytest

from collectors.llm import weights
from sitegen.errors import SitegenError

gguf = pytest.importorskip("gguf")

#: Of the tiny model's tensors, in the order of the file.
TINY_TENSORS = "4b648ab537f5b76146c349e1b028b4ad19b05689cbda45ab29b57aac329336bb"


def made(folder: Path, name: str, seed: int = 0) -> Path:
    path = folder / f"{name}-{seed}.gguf"
    weights.write(path, name, seed)
    return path


def tensors(path: Path) -> dict[str, Any]:
    return {tensor.name: tensor for tensor in gguf.GGUFReader(path).tensors}


def text(path: Path, key: str) -> str:
    return str(gguf.GGUFReader(path).get_field(key).contents())


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    first = made(tmp_path / "a", "tiny").read_bytes()
    assert made(tmp_path / "b", "tiny").read_bytes() == first
    assert made(tmp_path / "c", "tiny", seed=1).read_bytes() != first


def test_the_weights_are_the_same_on_every_machine(tmp_path: Path) -> None:
    digest = hashlib.sha256()
    for tensor in gguf.GGUFReader(made(tmp_path, "tiny")).tensors:
        digest.update(tensor.data.tobytes())
    assert digest.hexdigest() == TINY_TENSORS


@pytest.mark.parametrize(
    ("name", "count"), [("15m", 15e6), ("60m", 60e6), ("125m", 125e6), ("350m", 350e6), ("1b", 1e9)]
)
def test_a_size_is_named_after_its_parameters(name: str, count: float) -> None:
    assert weights.parameters(name) == pytest.approx(count, rel=0.05)


@pytest.mark.parametrize("name", ["tiny", "60m"])
def test_the_file_holds_what_is_promised(tmp_path: Path, name: str) -> None:
    path = made(tmp_path, name)
    values = tensors(path)
    assert sum(int(tensor.n_elements) for tensor in values.values()) == weights.parameters(name)
    assert text(path, "general.architecture") == weights.ARCHITECTURE
    assert text(path, "general.name") == weights.model_name(name) == f"random-llama-{name}"
    kinds = {tensor.tensor_type.name for tensor in values.values() if "norm" not in tensor.name}
    assert kinds == {weights.SIZES[name].quantisation}


@pytest.mark.parametrize("name", ["tiny", "60m"])
def test_special_tokens_and_bytes_have_no_weight_in_the_output(tmp_path: Path, name: str) -> None:
    output = tensors(made(tmp_path, name))["output.weight"]
    rows = gguf.quants.dequantize(output.data, output.tensor_type)
    assert not rows[: weights.first_word()].any()
    assert rows[weights.first_word() :].any(axis=1).all()
    # So that the best word is far above them: a logit is a sum of as many as the row is long.
    spread = rows[weights.first_word() :].std() * rows.shape[1] ** 0.5
    assert spread == pytest.approx(16, rel=0.05)


def test_a_word_of_two_letters_is_one_token() -> None:
    tokens = weights.vocabulary()
    assert len(set(tokens)) == len(tokens)
    assert tokens[: weights.first_word()][:3] == ("<unk>", "<s>", "</s>")
    assert tokens[weights.first_word() - 1] == "<0xFF>"
    assert {"\u2581", "\u2581a", "\u2581zz", "~"} <= set(tokens)


def test_what_cannot_be_written_says_where_and_leaves_nothing(tmp_path: Path) -> None:
    taken = tmp_path / "taken.gguf"
    taken.mkdir()
    with pytest.raises(SitegenError, match=r"taken\.gguf: the model cannot be written"):
        weights.write(taken, "tiny")
    assert list(tmp_path.iterdir()) == [taken]


def test_without_the_package_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "gguf", None)
    with pytest.raises(SitegenError, match=r"needs gguf; pip install 'sitegen-tee\[embedded\]'"):
        weights.write(tmp_path / "x.gguf", "tiny")
