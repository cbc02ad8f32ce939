"""Which jobs of a report are one workload, what it is called, and its parameters."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Literal, NamedTuple

from collectors.fio import jobs as several
from collectors.fio import load
from collectors.fio.jobs import DIRECTIONS, MIXED, Job, Report
from sitegen.collect import Count, Settings, Size, described
from sitegen.collect.settings import agreed
from sitegen.errors import SitegenError
from sitegen.model import LABEL, Params, params

_ENGINE = r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,39}$"
_LIMIT = r"[0-9A-Za-z,.:-]{1,40}"


class Asks(Settings, frozen=True):
    """What an output may not say."""

    engine: Annotated[str, described("I/O engine (ioengine)", pattern=_ENGINE)] | None = None
    block_size: Annotated[Size, described("size of one I/O (bs)")] | None = None
    iodepth: Annotated[Count, described("I/Os in flight of each job (iodepth)")] | None = None
    numjobs: Annotated[Count, described("jobs that ran at once (numjobs)")] | None = None
    size: Annotated[Size, described("size of each job's file (size)")] | None = None
    direct: Annotated[Literal["0", "1"], described("1: past the page cache (direct)")] | None = None

    @property
    def answers(self) -> dict[str, str]:
        """Return what the user gave, as parameters have it."""
        values = {name: getattr(self, name) for name in Asks.__struct_fields__}
        return {name: str(value) for name, value in values.items() if value is not None}


#: Options that tell where something lies, who ran it, or which job it was, and not what it did.
_PLACES = frozenset(
    {
        *("name", "description", "filename", "directory", "filename_format", "opendir", "aux-path"),
        *("hostname", "port", "offset", "offset_increment", "write_bw_log", "write_lat_log"),
        *("write_iops_log", "write_hist_log", "exec_prerun", "exec_postrun", "cgroup", "uid"),
        *("gid", "stonewall", "new_group", "wait_for", "read_iolog", "write_iolog", "ioscheduler"),
        *("verify_state_save", "cpus_allowed", "numa_cpu_nodes", "steadystate", "unlink"),
    }
)
#: What fio gives of one job where it adds up several.
_SIZES = frozenset({"bs", "bsrange", "bssplit"})
_OF_ONE = frozenset(
    {
        *(*_SIZES, "rw", "iodepth", "numjobs", "rwmixread", "rwmixwrite"),
        *("fsync", "fdatasync", "rate", "rate_iops"),
    }
)
#: What changes a figure and tells no series from another, with what fio does unless told.
_FLAGS = frozenset({"time_based", "norandommap", "refill_buffers", "zero_buffers", "invalidate"})
_NUMBERS = ("runtime", "ramp_time", "sync", "thinktime", "buffer_compress_percentage")
_USUAL = {
    **dict.fromkeys((*_FLAGS, *_NUMBERS), "0"),
    "invalidate": "1",
    "random_distribution": "random",
}
#: With these a job moves data in directions that its rw does not have.
_ALSO = frozenset({"verify", "trim_percentage"})
_MOST_JOBS, _NAMED_AT_ONCE = 20_000, 6
#: Names that say a direction: "randread", "seq-write", "4k_reads".
_NAMED = {
    direction: re.compile(
        rf"(?<![a-z])(?:r|s|rnd|rand|random|seq|sequential)?[-_ ]?{direction}"
        r"(?:s|er|ers|ing)?(?![a-z])"
    )
    for direction in DIRECTIONS
}
_DEFAULTS = {"rw": "read", "bs": "4k", "iodepth": "1", "numjobs": "1"}
_ALIASES = {"readwrite": "rw", "blocksize": "bs", "blocksize_range": "bsrange"}
_MIXES = ("rw", "randrw", "trimwrite", "randtrimwrite")
_SIZE = re.compile(r"(\d{1,15})(?:\.0+)? ?([kmgtp]?)(i?)b?", re.IGNORECASE)
_LAST_NUMBER = re.compile(r"[-_. ]?\d{1,6}$")
_UNUSABLE = re.compile(r"[^a-z0-9._-]+-*|-{2,}")
_DOTS = re.compile(r"\.{2,}")
_LONGEST = 64
_LEVELS = "kmgtp"


class Workload(NamedTuple):
    """Jobs that ran together and alike, and what tells their series from others.

    ``wrong`` says why the options of one job are not taken for those of all. ``beside`` names all
    workloads that ran at the same time, ``device`` is what they ran on.
    """

    name: str
    jobs: tuple[Job, ...]
    params: Params
    options: Mapping[str, str]
    wrong: tuple[str, ...] = ()
    beside: str = ""
    device: str = ""

    def of(self, direction: str) -> Params:
        """Return the parameters of one direction."""
        pairs = dict(self.params)
        if (block := block_of(self.options, direction)) is not None:
            pairs["block_size"] = block
        elif "block_size" not in pairs and not self._has_sizes:
            # What the options do not say, the bytes of the I/Os may.
            moved = load.size_moved(several.sides(self.jobs, direction))
            pairs |= {} if moved is None else {"block_size": str(moved)}
        return params(direction=direction, **pairs)

    @property
    def _has_sizes(self) -> bool:
        """Whether the options name several sizes, which no parameter holds."""
        return not {"bssplit", "bs_is_seq_rand"}.isdisjoint(self.options)

    @property
    def unsaid(self) -> list[str]:
        """Return what would tell the workload's series from others, and nothing says."""
        names = ["block_size"] * any(
            "block_size" not in dict(self.of(direction)) for direction in self.directions
        )
        names += ["iodepth"] * ("iodepth" not in dict(self.params))
        return [] if self.wrong or self._has_sizes else names

    @property
    def directions(self) -> tuple[str, ...]:
        """Return the directions that moved data, else those that the options ask for."""
        directions = dict.fromkeys(side.direction for job in self.jobs for side in job.sides)
        kind = self.options.get("rw", "").partition(":")[0]
        if not directions and kind in ("rw", "readwrite", "randrw"):
            return ("read", "write")
        return tuple(directions) or tuple(d for d in DIRECTIONS if d in kind)

    @property
    def misnamed(self) -> str:
        """Return a sentence when the name says another direction than the jobs took."""
        name = self.jobs[0].name
        named = {d for d, pattern in _NAMED.items() if pattern.search(name.lower())}
        taken = {side.direction for job in self.jobs for side in job.sides}
        if not named or not taken or MIXED in taken or named & taken:
            return ""
        return f"the job is called {ascii(name)[:80]}, and did {' and '.join(sorted(taken))}"

    @property
    def good(self) -> list[Job]:
        """Return the jobs that did not fail."""
        return [job for job in self.jobs if not job.error]

    def number(self, name: str) -> int:
        """Return a parameter that counts something, 1 without it."""
        return int(dict(self.params).get(name, "1"))

    @property
    def job_count(self) -> float:
        """Return how many jobs all entries stand for."""
        return self.jobs_per_entry * len(self.jobs)

    @property
    def jobs_per_entry(self) -> float:
        """Return how many jobs one entry stands for."""
        return max(1.0, self.number("numjobs") * self.number("clients") / len(self.jobs))


def workloads(report: Report, answers: Mapping[str, str], *, sized: bool = True) -> list[Workload]:
    """Return the workloads of one report; ``sized`` is whether engine and size part series."""
    if len(report.jobs) > _MOST_JOBS:
        raise SitegenError(f"there are more than {_MOST_JOBS} jobs in one report")
    groups: defaultdict[tuple[object, ...], list[Job]] = defaultdict(list)
    for job in report.jobs:
        groups[_alike(job)].append(job)
    every: list[Workload] = []
    taken: set[tuple[str, Params]] = set()
    again: Counter[str] = Counter()
    pairs = [_workload(group, answers, sized=sized) for group in groups.values()]
    beside = _at_once([workload for workload, _ in pairs], report)
    for workload, (_, stem) in zip(beside, pairs, strict=True):
        every.append(_renamed(workload, stem, again) if taken & _series(workload) else workload)
        taken |= _series(every[-1])
    return [w._replace(device=load.device_of(w.jobs, report)) for w in every]


def _renamed(workload: Workload, stem: str, again: Counter[str]) -> Workload:
    """Return one whose name is another's, in another group or with other options, under its own."""
    again[workload.name] += 1
    digest = load.digest(f"{stem} {again[workload.name]}")
    return workload._replace(name=f"{workload.name[: _LONGEST - 8]}-{digest}")


def _workload(
    group: Sequence[Job], answers: Mapping[str, str], *, sized: bool
) -> tuple[Workload, str]:
    """Return the workload of jobs that are alike, and what they are called."""
    numbered = len({job.name for job in group}) > 1
    stem = _LAST_NUMBER.sub("", group[0].name) if numbered else group[0].name
    (name, original), options = slug(stem), _right_base(group, _options_of(group[0]))

    def built(options: Mapping[str, str], **more: str) -> Workload:
        pairs = dict(_params(group, options, answers, sized=sized)) | more
        return Workload(name, tuple(group), params(**pairs, job_name=original or None), options)

    workload = built(options)
    if wrong := tuple(_contradictions(workload)):
        given = {"block_size": "bs", "iodepth": "iodepth"}
        if asked := [
            key for key, option in given.items() if key in answers and option not in options
        ]:
            raise SitegenError(wrong[0], where=f"--set {asked[0]}", fix="leave it out")
        # Text says of how many jobs an entry is: the size of one alone is all that can be wrong.
        single = all(job.clones == 1 for job in group)
        kept = {k: v for k, v in options.items() if k not in (_SIZES if single else _OF_ONE)}
        more = {} if single else {"grouped": "unlike jobs"}
        workload = built(kept, **more)._replace(wrong=wrong)
    return workload, stem


def _right_base(group: Sequence[Job], options: Mapping[str, str]) -> Mapping[str, str]:
    """Return the options with the kb_base that the bytes of an I/O bear out."""
    other = {**options, "kb_base": "1024" if options.get("kb_base") == "1000" else "1000"}
    return options if _fits(group, options) or not _fits(group, other) else other


def _fits(group: Sequence[Job], options: Mapping[str, str]) -> bool:
    return not any(_size_flaws(group, options))


def _size_flaws(group: Sequence[Job], options: Mapping[str, str]) -> Iterator[str]:
    for direction in DIRECTIONS:
        sides, block = several.sides(group, direction), block_of(options, direction)
        if block is not None and not load.fits(block, sides):
            mean = load.mean_size(sides) or 0.0
            moved = f"{direction}: an I/O moved {mean:.0f} B on average"
            yield f"{moved}, and the block size is {block}"


def _contradictions(workload: Workload) -> Iterator[str]:
    """Yield what shows that the options are those of one of several jobs that differ."""
    group, options = workload.jobs, workload.options
    yield from dict.fromkeys(job.unlike for job in group if job.unlike)
    if not any(options.get(key, "0") not in ("0", "") for key in _ALSO):
        kind = options.get("rw", "").partition(":")[0]
        yield from filter(None, [load.other_directions(group, kind)])
    given = dict(workload.params)
    bs = {"bs": given["block_size"]} if "block_size" in given else {}
    yield from _size_flaws(group, {**bs, **options})
    if depth := int(given.get("iodepth", 0)):
        yield from filter(None, [load.exceeded(group, depth, workload.job_count)])


def _at_once(every: Sequence[Workload], report: Report) -> Iterator[Workload]:
    """Yield workloads; those that ran beside others have the number of jobs as a parameter."""
    places = {id(job): n for n, workload in enumerate(every) for job in workload.jobs}
    beside: dict[int, tuple[str, str]] = {}
    for cluster in load.at_once(report):
        numbers = dict.fromkeys(places[id(job)] for job in cluster)
        if len(numbers) > 1:
            total = sum(every[number].job_count for number in numbers)
            labels = sorted(every[number].name for number in numbers)
            more = len(labels) - _NAMED_AT_ONCE
            text = ", ".join(labels[:_NAMED_AT_ONCE]) + (f" and {more} more" if more > 0 else "")
            beside |= dict.fromkeys(numbers, (f"{total:g}", text))
    for number, workload in enumerate(every):
        count, names = beside.get(number, (None, ""))
        about = params(**dict(workload.params), at_once=count)
        yield workload._replace(params=about, beside=names)


def slug(name: str) -> tuple[str, str]:
    """Return a job's name as a label, and the name itself where the label lost something of it."""
    text = _DOTS.sub(".", _UNUSABLE.sub("-", name.lower()))[:_LONGEST].strip("._-")
    text = text.removesuffix(".html")
    if not LABEL.fullmatch(text):
        text = "job"
    lost = text != name and name.isprintable() and "/" not in name and "\\" not in name
    return text, name.strip()[:100] if lost else ""


def size_of(text: str, kb_base: str = "1024") -> int | None:
    """Return a size as fio reads it: with its default kb_base, k and kb are 1024 and kib 1000."""
    if not (match := _SIZE.fullmatch(text.strip())):
        return None
    base = 1000 if (kb_base == "1000") != bool(match[3]) else 1024
    level = _LEVELS.index(match[2].lower()) + 1 if match[2] else 0
    return int(match[1]) * int(base**level)


def direct_of(job: Job) -> str | None:
    """Return whether the page cache was bypassed, where the options say it."""
    options = job.options
    if (direct := options.get("direct")) in ("0", "1", ""):
        return direct or "1"
    if (buffered := options.get("buffered")) in ("0", "1"):
        return "1" if buffered == "0" else "0"
    return "0" if job.stated else None


def kept_options(workload: Workload) -> str:
    """Return the options as one line, without what names a place or a machine."""
    return " ".join(
        f"{key}={value}" if value else key
        for key, value in sorted(workload.options.items())
        if key not in _PLACES and not re.search(r"[/\\@:]", value)
    )[:500]


def conditions(workload: Workload) -> dict[str, str]:
    """Return how a workload ran where that is not as fio does it unless told, by the option."""
    options = workload.options
    stated = {
        key: value.removesuffix("s") or ("1" if key in _FLAGS else "")
        for key, value in options.items()
        if key in _USUAL
    }
    found = {key: value for key, value in stated.items() if value not in ("", _USUAL[key])}
    return {**found, "target": "block device"} if _is_raw(options) else found


def _is_raw(options: Mapping[str, str]) -> bool:
    return any(name.startswith("/dev/") for name in options.get("filename", "").split(":"))


def _alike(job: Job) -> tuple[object, ...]:
    """Return what jobs that are one workload have in common: all but a last number of the name."""
    alike = tuple(sorted((k, v) for k, v in _options_of(job).items() if k not in _PLACES))
    stem = _LAST_NUMBER.sub("", job.name)
    numbered = bool(stem and stem != job.name and alike and job.stated)
    return job.group, stem if numbered else job.name, alike, numbered


def _options_of(job: Job) -> dict[str, str]:
    """Return a job's options under their usual names, with fio's defaults where all are shown."""
    usual = {_ALIASES.get(key, key): value for key, value in job.options.items()}
    return {**_DEFAULTS, **usual} if job.stated else usual


def _series(workload: Workload) -> set[tuple[str, Params]]:
    return {(workload.name, workload.of(d)) for d in workload.directions or ("",)}


def _params(
    group: Sequence[Job], options: Mapping[str, str], answers: Mapping[str, str], *, sized: bool
) -> Params:
    """Return what tells a workload's series from others, but for direction and block size."""
    rw = options.get("rw", "").partition(":")[0].replace("readwrite", "rw")
    kind = rw if rw in _MIXES else "rand" if rw.startswith("rand") else "seq"
    clients = len({job.client for job in group if job.client})
    texts = {
        "block_size": block_of(options, "read"),
        "iodepth": _whole(options, "iodepth"),
        "numjobs": _numjobs(group, options, max(clients, 1)),
    }
    if sized:
        texts["engine"] = _matching(_ENGINE, options.get("ioengine", "").partition(":")[0])
        size = options.get("size", "")
        exact = size_of(size, options.get("kb_base", ""))
        texts["size"] = _matching(r"\d{1,18}|\d{1,3}%", str(size if exact is None else exact))
    syncs = {key: _whole(options, key) for key in ("fsync", "fdatasync")}
    return params(
        **{name: agreed(name, answers.get(name), text) for name, text in texts.items()},
        pattern=kind if rw else None,
        clients=clients if clients > 1 else None,
        read_share=_read_share(options, stated=group[0].stated) if rw in ("rw", "randrw") else None,
        # 0 is never.
        **{key: None if text == "0" else text for key, text in syncs.items()},
        rate_limit=_matching(_LIMIT, options.get("rate", "")),
        iops_limit=_matching(_LIMIT, options.get("rate_iops", "")),
    )


def block_of(options: Mapping[str, str], direction: str) -> str | None:
    """Return the block size of one direction in bytes, a range as ``from-to``."""
    text = options.get("bsrange") or (None if options.get("bssplit") else options.get("bs"))
    if text is None or "bs_is_seq_rand" in options:
        return None
    parts = text.split(",")
    place = DIRECTIONS.index(direction) if direction in DIRECTIONS else 0
    base = options.get("kb_base", "")
    ends = [size_of(end, base) for end in parts[min(place, len(parts) - 1)].split("-")[:2]]
    return None if None in ends else "-".join(str(end) for end in dict.fromkeys(ends))


def _read_share(options: Mapping[str, str], *, stated: bool) -> str | None:
    for key, whole in (("rwmixread", 0), ("rwmixwrite", 100)):
        if share := _matching(r"100|\d{1,2}", options.get(key, "")):
            return f"{abs(whole - int(share)) / 100:g}"
    return "0.5" if stated else None  # fio's default


def _numjobs(group: Sequence[Job], options: Mapping[str, str], clients: int) -> str | None:
    counted = sum(max(job.clones, 1) for job in group)
    if (stated := _whole(options, "numjobs")) is not None:
        return str(max(int(stated), -(-counted // clients)))
    return str(counted) if counted > 1 or group[0].clones else None


def _whole(options: Mapping[str, str], name: str) -> str | None:
    text = _matching(r"\d{1,9}", options.get(name, ""))
    return str(int(text)) if text else None


def _matching(pattern: str, text: str) -> str | None:
    return text if re.fullmatch(pattern, text) else None
