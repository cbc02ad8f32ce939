from __future__ import annotations

import pytest

from collectors.llm.readers.outputs import agreed_model, model_name
from collectors.llm.readers.vllm import SERVE
from sitegen.errors import SitegenError
from sitegen.model import Doubt
from tests.collectors.llm.readers.outputs import document, doubts, first_params, read

HASH = "0123456789abcdef0123456789abcdef01234567"
CACHE = "/root/.cache/huggingface/hub/models--acme--demo-8b"


@pytest.mark.parametrize(
    ("name", "model"),
    [
        (f"{CACHE}/snapshots/{HASH}", "acme/demo-8b"),
        (f"{CACHE}/snapshots/{HASH}/", "acme/demo-8b"),
        (f"{CACHE}/snapshots/main", "acme/demo-8b"),
        (f"{CACHE}/", "acme/demo-8b"),
        (rf"C:\cache\models--acme--demo-8b\snapshots\{HASH}", "acme/demo-8b"),
        ("models--demo-8b", "demo-8b"),
        (f"/data/models/demo-8b/snapshots/{HASH}", "demo-8b"),
        (f"/data/models/demo-8b/{HASH}/", "demo-8b"),
        ("/data/models/demo-8b/snapshots/0a1b2c3", "demo-8b"),
        ("/root/.cache/modelscope/hub/models/acme/demo-8b___1", "acme/demo-8b.1"),
        ("acme/demo-8b/", "acme/demo-8b"),
        (f"acme/demo-8b@{HASH}", "acme/demo-8b"),
        ("hf://acme/demo-8b", "acme/demo-8b"),
        ("https://huggingface.co/acme/demo-8b/tree/main", "acme/demo-8b"),
        ("s3://bucket/acme/demo-8b/", "demo-8b"),
        ("/models/demo-8b/", "demo-8b"),
        ("./demo-8b", "demo-8b"),
        ("demo-8b", "demo-8b"),
        (HASH, None),
        (f"/{HASH}/", None),
        ("/", None),
        ("", None),
        (None, None),
    ],
)
def test_a_path_names_the_model_that_it_is_of_and_never_a_commit(
    name: str | None, model: str | None
) -> None:
    assert model_name(name) == model


@pytest.mark.parametrize(
    ("given", "stated", "model"),
    [
        ("acme/demo-8b", f"{CACHE}/snapshots/{HASH}", "acme/demo-8b"),
        (f"{CACHE}/snapshots/{HASH}", f"{CACHE}/snapshots/{HASH}", "acme/demo-8b"),
        ("acme/demo-8b", "/models/demo-8b", "acme/demo-8b"),
        ("demo-8b", "acme/demo-8b", "acme/demo-8b"),
        ("Acme/Demo-8B", "acme/demo-8b", "acme/demo-8b"),
        ("acme/demo-8b", HASH, "acme/demo-8b"),
        (None, "acme/demo-8b", "acme/demo-8b"),
        ("acme/demo-8b", None, "acme/demo-8b"),
        (None, None, None),
    ],
)
def test_a_user_may_say_a_model_that_agrees(
    given: str | None, stated: str | None, model: str | None
) -> None:
    assert agreed_model(given, stated) == model


@pytest.mark.parametrize(
    "stated", ["acme/demo-70b", "other/demo-8b", f"{CACHE}-2/snapshots/{HASH}"]
)
def test_a_user_may_not_say_another_model(stated: str) -> None:
    with pytest.raises(SitegenError, match="--set model: the file says"):
        agreed_model("acme/demo-8b", stated)


def test_a_path_into_a_cache_is_the_model_that_the_user_names() -> None:
    raw = {**document("vllm/serve.json"), "model_id": f"{CACHE}/snapshots/{HASH}"}
    for asks in ({}, {"model": "acme/demo-8b"}):
        reading = read(SERVE, raw, **asks)
        assert first_params(reading)["model"] == "acme/demo-8b"
        assert doubts(reading) == {}


def test_a_result_that_names_no_model_pools_with_no_other() -> None:
    raw = {**document("vllm/serve.json"), "model_id": HASH}
    reading = read(SERVE, raw)
    assert "model" not in first_params(reading)
    assert doubts(reading) == {Doubt.NOT_STATED: "The file does not name the model."}
    told = read(SERVE, raw, model="acme/demo-8b")
    assert first_params(told)["model"] == "acme/demo-8b"
    assert doubts(told) == {}
