"""The embedded server itself: that it comes up, says what is asked of it, and goes away."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from collectors.llm import server, weights
from collectors.llm.server import Launch
from sitegen.collect import Host
from sitegen.errors import SitegenError

needs_server = pytest.mark.skipif(bool(server.missing()), reason="the embedded extra is missing")
ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "random-llama-tiny.gguf"
    weights.write(path, "tiny")
    return path


@pytest.fixture(scope="module")
def up(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[server.Server]:
    folder = tmp_path_factory.mktemp("server")
    with server.serving(Launch(str(tiny), slots=2), folder, Host()) as running:
        yield running


def get(url: str) -> Any:  # noqa: ANN401 - JSON
    with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310 - loopback
        return json.load(answer)


def ask(running: server.Server, **more: object) -> list[dict[str, Any]]:
    """Return the events of one streamed answer."""
    body = {
        "messages": [{"role": "user", "content": "ab cd ef gh"}],
        "stream": True,
        "stream_options": {"include_usage": True},
        **more,
    }
    request = urllib.request.Request(  # noqa: S310 - loopback
        f"{running.url}/v1/chat/completions",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - loopback
        lines = answer.read().decode().splitlines()
    events = [line.removeprefix("data: ") for line in lines if line.startswith("data: ")]
    assert events.pop() == "[DONE]"
    return [json.loads(event) for event in events]


@pytest.mark.tools
@needs_server
def test_it_says_what_it_is_and_is_gone_afterwards(tiny: Path, tmp_path: Path) -> None:
    host = Host()
    with server.serving(Launch(str(tiny)), tmp_path, host) as running:
        assert running.model == "random-llama-tiny"
        assert running.version.startswith("xllamacpp 2")
        assert 0 < running.load_s < 60
        peak = server.peak_memory(running.pid, host)
        assert peak is not None
        assert peak > tiny.stat().st_size
        assert (server.cpu_seconds(running.pid) or 0) > 0
        [listed] = get(f"{running.url}/v1/models")["data"]
        assert listed["id"] == running.model
        assert listed["meta"]["n_params"] == weights.parameters("tiny")
    assert not psutil.pid_exists(running.pid)
    assert server.cpu_seconds(running.pid) is None
    assert server.peak_memory(running.pid, host) is None
    assert (tmp_path / server.LOG).exists()
    with pytest.raises(urllib.error.URLError):
        get(f"{running.url}/health")


@pytest.mark.tools
@needs_server
@pytest.mark.parametrize("temperature", [0, 1.5])
def test_a_stop_token_is_never_sampled(up: server.Server, temperature: float) -> None:
    events = ask(up, max_tokens=400, temperature=temperature, seed=7)
    reasons = [choice["finish_reason"] for e in events for choice in e["choices"]]
    assert reasons[-1] == "length"
    assert events[-1]["usage"]["completion_tokens"] == 400


@pytest.mark.tools
@needs_server
def test_a_prompt_is_worked_through_again_unless_its_cache_is_wanted(
    tiny: Path, tmp_path: Path, up: server.Server
) -> None:
    def cached(running: server.Server) -> int:
        answers = [ask(running, max_tokens=2, temperature=0)[-1] for _ in range(2)]
        return int(answers[-1]["usage"]["prompt_tokens_details"]["cached_tokens"])

    assert cached(up) == 0
    launch = Launch(str(tiny), cache_prompt=True)
    with server.serving(launch, tmp_path, Host()) as caching:
        assert cached(caching) > 0


@pytest.mark.tools
@needs_server
def test_a_file_that_is_no_model_is_one_line(tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF" + bytes(100))
    with (
        pytest.raises(SitegenError, match=r"llm: the server ended at once: \w"),
        server.serving(Launch(str(broken)), tmp_path, Host()),
    ):
        pytest.fail("it came up")


@pytest.mark.tools
@needs_server
def test_it_dies_with_the_process_that_started_it(tiny: Path, tmp_path: Path) -> None:
    program = (
        "import sys, time\nfrom pathlib import Path\n"
        "from collectors.llm.server import Launch, serving\nfrom sitegen.collect import Host\n"
        "with serving(Launch(sys.argv[1]), Path(sys.argv[2]), Host()) as running:\n"
        "    print(running.pid, flush=True)\n    time.sleep(600)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tiny), str(tmp_path)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
    ) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        parent.send_signal(signal.SIGKILL)
        gone, alive = psutil.wait_procs([child], timeout=30)
    assert (gone, alive) == ([child], [])


def test_without_the_wheel_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    assert "xllamacpp" in server.missing()
    with (
        pytest.raises(
            SitegenError, match=r"needs xllamacpp.*; pip install 'sitegen-tee\[embedded\]'"
        ),
        server.serving(Launch(str(tmp_path / "x")), tmp_path, Host()),
    ):
        pytest.fail("it came up")


def test_the_peak_of_memory_is_read_in_bytes(tmp_path: Path) -> None:
    status = tmp_path / "proc" / "42" / "status"
    status.parent.mkdir(parents=True)
    status.write_text("Name:\tpython\nVmPeak:\t  900 kB\nVmHWM:\t  123 kB\n")
    assert server.peak_memory(42, Host(tmp_path)) == 123 * 1024
    status.write_text("VmHWM:\tmany kB\n")
    assert server.peak_memory(42, Host(tmp_path)) is None
