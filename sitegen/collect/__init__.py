"""What a collector is and what it speaks in: all that a collector's module needs of sitegen."""

from sitegen.collect.host import Host, RawOutput, last_line, timestamp
from sitegen.collect.protocol import (
    LEFT_OUT,
    PRESETS,
    REPETITIONS,
    Bundle,
    Collector,
    Missing,
    Plan,
    Reader,
    Reading,
    Refused,
    Request,
    Step,
)
from sitegen.collect.recorder import Recorder, Series
from sitegen.collect.settings import Count, Positive, Settings, Size, described

__all__ = [
    "LEFT_OUT",
    "PRESETS",
    "REPETITIONS",
    "Bundle",
    "Collector",
    "Count",
    "Host",
    "Missing",
    "Plan",
    "Positive",
    "RawOutput",
    "Reader",
    "Reading",
    "Recorder",
    "Refused",
    "Request",
    "Series",
    "Settings",
    "Size",
    "Step",
    "described",
    "last_line",
    "timestamp",
]
