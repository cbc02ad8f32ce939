"""What puts a load on a scripted server: in this process, or from a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import pytest

from collectors.llm import client
from tests.collectors.llm.peer import Answer, Record, Server


class Run(Protocol):
    def __call__(self, script: Answer | Server, **options: Any) -> list[Record]: ...  # noqa: ANN401


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that puts a load on a script and returns the records."""

    def carry_out(script: Answer | Server, **options: Any) -> list[Record]:  # noqa: ANN401
        server = script if isinstance(script, Server) else Server(script)
        records: list[Record] = []
        if "key" in options:
            monkeypatch.setenv("THE_KEY", options.pop("key"))
            options["key_env"] = "THE_KEY"

        async def both() -> None:
            async with server.up(options.pop("tls", None)):
                path = options.pop("path", "")
                usual = {"api": "openai-chat", "model": "m", "requests": 1, "timeout_s": 30.0}
                values = {**usual, **options}
                if "rate" not in values:
                    values.setdefault("concurrency", 1)
                client_options = client.Options(url=server.url + path, **values)
                await client.Client(client_options, records.append).run()

        asyncio.run(both())
        return records

    return carry_out


@pytest.fixture
def served() -> Iterator[Callable[[Answer], Server]]:
    """Return a function that serves a script from a thread, for clients that are processes."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    closing = contextlib.AsyncExitStack()

    def serve(script: Answer) -> Server:
        server = Server(script)
        asyncio.run_coroutine_threadsafe(closing.enter_async_context(server.up()), loop).result()
        return server

    async def stop() -> None:
        await closing.aclose()
        mine = asyncio.current_task()
        others = [task for task in asyncio.all_tasks() if task is not mine]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    yield serve
    asyncio.run_coroutine_threadsafe(stop(), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()
