"""What every reader must bear: a file cut anywhere, and any of its bytes changed.

A reader may refuse a damaged file with a SitegenError. It may read it, where the damage left
nothing to see: the digest of the file in the run tells the two apart. It may not do anything else.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Mapping

from sitegen.collect import Reading
from sitegen.collect.installed import check_measurement
from sitegen.errors import SitegenError

Read = Callable[[bytes], tuple[Reading, ...]]


def bear(knows: Callable[[bytes], bool], read: Read, data: bytes, *, trials: int = 60) -> None:
    """Cut and change ``data`` in ``trials`` seeded places each; errors and runs may come of it."""
    for hurt in (*_cut(data, trials), *_changed(data, trials)):
        known = knows(hurt)
        assert known in (True, False)
        try:
            readings = read(hurt)
        except SitegenError as error:
            message = str(error)
            assert "\n" not in message
            assert len(message) < 1000
            continue
        for one in readings:
            check(one)


def check(reading: Reading) -> None:
    """Fail for a run that could not be archived."""
    for row in reading.measurements:
        check_measurement(row)
        assert row.value is None or math.isfinite(row.value)
    assert all(math.isfinite(s.x) and math.isfinite(s.y) for s in reading.samples)
    assert all(sentence and "\n" not in sentence for _, sentence, _ in reading.doubts)


def values(reading: Reading) -> Mapping[tuple[object, ...], float | None]:
    """Return every value by its workload, metric, statistic, parameters and repetition."""
    return {
        (m.workload, m.metric, m.statistic, m.params, m.repetition): m.value
        for m in reading.measurements
    }


def _cut(data: bytes, trials: int) -> Iterator[bytes]:
    places = random.Random(len(data))  # noqa: S311 - places, not secrets
    yield b""
    for _ in range(trials):
        yield data[: places.randrange(len(data))]


def _changed(data: bytes, trials: int) -> Iterator[bytes]:
    places = random.Random(len(data) + 1)  # noqa: S311 - as above
    for _ in range(trials):
        at = places.randrange(len(data))
        yield data[:at] + bytes([places.randrange(256)]) + data[at + 1 :]
