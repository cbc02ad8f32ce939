"""Which jobs of a report are one workload, what it is called, and its parameters."""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from collectors.asked import agreed
from collectors.fio.jobs import Job
from sitegen.errors import SitegenError
from sitegen.model import LABEL, Params, params

#: What an output may not say, and a line of help for each.
ASKS: Mapping[str, str] = {
    "engine": "fio's I/O engine (ioengine), where the output does not say it",
    "block_size": "bytes of one I/O (bs), such as 4k, where the output does not say it",
    "iodepth": "I/Os in flight of each job (iodepth), where the output does not say it",
    "numjobs": "jobs that ran at once (numjobs), where the output does not say it",
    "size": "size of each job's file (size), such as 2G, where the output does not say it",
    "direct": "1 when the page cache was bypassed, else 0, where the output does not say it",
}
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
MAX_JOBS = 20_000
_DEFAULTS = {"rw": "read", "bs": "4k", "iodepth": "1", "numjobs": "1"}
_ALIASES = {"readwrite": "rw", "blocksize": "bs", "blocksize_range": "bsrange"}
_SIZE = re.compile(r"(\d{1,15})(?:\.0+)? ?([kmgtp]?)(i?)b?", re.IGNORECASE)
_WHOLE = re.compile(r"\d{1,9}")
_DECIMAL = re.compile(r"\d{1,3}")
_ENGINE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,39}")
_LAST_NUMBER = re.compile(r"[-_. ]?\d{1,6}$")
_UNUSABLE = re.compile(r"[^a-z0-9._-]+-*|-{2,}")
_DOTS = re.compile(r"\.{2,}")
_LONGEST = 64
_LEVELS = "kmgtp"
_SIDES = ("read", "write", "trim")
#: Names that say a direction: "randread", "seq-write", "4k_reads".
_SAYS = {
    direction: re.compile(
        rf"(?<![a-z])(?:r|s|rnd|rand|random|seq|sequential)?[-_ ]?{direction}"
        r"(?:s|er|ers|ing)?(?![a-z])"
    )
    for direction in _SIDES
}


@dataclass(frozen=True, slots=True)
class Workload:
    """Jobs that ran together and alike. ``numjobs`` counts them, 0 where nobody says it."""

    name: str
    jobs: tuple[Job, ...]
    params: Params
    options: Mapping[str, str]

    def of(self, direction: str) -> Params:
        """Return the parameters of one direction."""
        block = _block(self.options, direction)
        pairs = dict(self.params)
        if block is not None:
            pairs["block_size"] = block
        return params(direction=direction, **pairs)

    @property
    def directions(self) -> tuple[str, ...]:
        """Return the directions that moved data, else those that the options name."""
        moved = dict.fromkeys(side.direction for job in self.jobs for side in job.sides)
        return tuple(moved) or asked(self.options.get("rw", ""))

    @property
    def misnamed(self) -> str:
        """Return a sentence when the name says another direction than the jobs took."""
        name = self.jobs[0].name.lower()
        says = {direction for direction, pattern in _SAYS.items() if pattern.search(name)}
        did = {side.direction for job in self.jobs for side in job.sides}
        if says and did and "mixed" not in did and not says & did:
            told, done = " and ".join(sorted(says)), " and ".join(sorted(did))
            return f"the job is called {_shown(self.jobs[0].name)} ({told}), and did {done}"
        return ""


def workloads(
    jobs: Sequence[Job], answers: Mapping[str, str], *, sized: bool = True
) -> list[Workload]:
    """Return the workloads of one report, in its order.

    ``answers`` are the user's ``--set`` values. ``sized`` says whether engine and size tell
    series apart.
    """
    if len(jobs) > MAX_JOBS:
        raise SitegenError(f"there are more than {MAX_JOBS} jobs in one report")
    groups: defaultdict[tuple[object, ...], list[Job]] = defaultdict(list)
    for job in jobs:
        groups[_alike(job)].append(job)
    merged = _numbered(groups)
    found: list[Workload] = []
    taken: set[tuple[str, Params]] = set()
    again: Counter[str] = Counter()
    for stem, group in merged:
        options = options_of(group[0])
        name, original = slug(stem)
        pairs = _params(group, options, answers, sized=sized)
        if original:
            pairs = params(**dict(pairs), job_name=original)
        one = Workload(name, tuple(group), pairs, options)
        if taken & _series(one):  # the same name, in another group or with other options
            again[name] += 1
            mark = f"{stem} {again[name]}"
            digest = hashlib.sha256(mark.encode()).hexdigest()[:6]
            one = replace(one, name=f"{name[: _LONGEST - 8]}-{digest}")
        taken |= _series(one)
        found.append(one)
    return found


def options_of(job: Job) -> dict[str, str]:
    """Return a job's options under their usual names, fio's defaults filled in where it tells."""
    found = dict(_DEFAULTS) if job.stated else {}
    for key, value in job.options.items():
        found[_ALIASES.get(key, key)] = value
    return found


def slug(name: str) -> tuple[str, str]:
    """Return a job's name as a label, and the name itself where the label lost something of it."""
    text = _DOTS.sub(".", _UNUSABLE.sub("-", name.lower()))[:_LONGEST].strip("._-")
    if text.endswith(".html"):
        text = text.removesuffix(".html")
    if not LABEL.fullmatch(text):
        text = "job"
    lost = text != name and name.isprintable() and "/" not in name and "\\" not in name
    return text, name.strip()[:100] if lost else ""


def asked(rw: str) -> tuple[str, ...]:
    """Return the directions that fio's ``rw`` asks for."""
    kind = rw.partition(":")[0]
    if kind in ("rw", "readwrite", "randrw"):
        return ("read", "write")
    return tuple(d for d in _SIDES if kind in (d, f"rand{d}")) or (
        ("write", "trim") if kind in ("trimwrite", "randtrimwrite") else ()
    )


def size_of(text: str, kilo: int = 1024) -> int | None:
    """Return a size as fio reads it: with its default kb_base, k and kb are 1024 and kib 1000."""
    match = _SIZE.fullmatch(text.strip())
    if not match:
        return None
    other = 1000 if kilo == 1024 else 1024  # noqa: PLR2004 - the two there are
    base = other if match[3] else kilo
    level = _LEVELS.index(match[2].lower()) + 1 if match[2] else 0
    return int(match[1]) * int(base**level)


def answers_of(settings: Mapping[str, str], asks: Mapping[str, str] = ASKS) -> dict[str, str]:
    """Return the user's ``--set`` values as parameters have them; raises SitegenError."""
    found = {}
    for name, value in settings.items():
        where, text = f"--set {name}", value.strip()
        if name not in asks:
            raise SitegenError("is not asked for here", where=where)
        if name in ("block_size", "size"):
            size = size_of(text)
            if not size:
                raise SitegenError(f"{_shown(value)} is not a size", where=where, fix="write 4k")
            text = str(size)
        elif name in ("iodepth", "numjobs") and not re.fullmatch(r"[1-9]\d{0,8}", text):
            raise SitegenError(f"{_shown(value)} is not a whole number above 0", where=where)
        elif name == "direct" and text not in ("0", "1"):
            raise SitegenError(f"{_shown(value)} is neither 0 nor 1", where=where)
        elif name == "engine" and not _ENGINE.fullmatch(text):
            raise SitegenError(f"{_shown(value)} is not an engine's name", where=where)
        found[name] = text
    return found


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


def _series(workload: Workload) -> set[tuple[str, Params]]:
    return {(workload.name, workload.of(d)) for d in workload.directions or ("",)}


def _params(
    group: Sequence[Job], options: Mapping[str, str], answers: Mapping[str, str], *, sized: bool
) -> Params:
    """Return what tells a workload's series from others, but for direction and block size."""
    kilo = _kilo(options)
    rw = options.get("rw", "").partition(":")[0].replace("readwrite", "rw")
    mixed = rw in ("rw", "randrw")
    engine = options.get("ioengine", "").partition(":")[0]
    size = options.get("size")
    exact = None if size is None else size_of(size, kilo)
    stated_size = size if exact is None else str(exact)
    clients = len({job.client for job in group if job.client})
    return params(
        block_size=agreed(answers, "block_size", _block(options, "read")),
        pattern=_pattern(rw),
        iodepth=agreed(answers, "iodepth", _whole(options.get("iodepth"))),
        numjobs=agreed(answers, "numjobs", _numjobs(group, options, max(clients, 1))),
        clients=clients if clients > 1 else None,
        engine=agreed(answers, "engine", _engine(engine)) if sized else None,
        size=agreed(answers, "size", _size(stated_size)) if sized else None,
        read_share=_read_share(options, stated=group[0].stated) if mixed else None,
        fsync=_every(options.get("fsync")),
        fdatasync=_every(options.get("fdatasync")),
        rate_limit=_word(options.get("rate")),
        iops_limit=_word(options.get("rate_iops")),
    )


def _pattern(rw: str) -> str | None:
    if not rw:
        return None
    if rw in ("rw", "randrw", "trimwrite", "randtrimwrite"):
        return rw
    return "rand" if rw.startswith("rand") else "seq"


def _block(options: Mapping[str, str], direction: str) -> str | None:
    """Return the block size of one direction in bytes, a range as ``from-to``."""
    text = options.get("bs") if not options.get("bssplit") else None
    text = options.get("bsrange") or text
    if text is None:
        return None
    parts = text.split(",")
    place = _SIDES.index(direction) if direction in _SIDES else 0
    kilo = _kilo(options)
    ends = [size_of(end, kilo) for end in parts[min(place, len(parts) - 1)].split("-")[:2]]
    if not ends or any(end is None for end in ends):
        return None
    return "-".join(str(end) for end in dict.fromkeys(ends))


def _kilo(options: Mapping[str, str]) -> int:
    return 1000 if options.get("kb_base") == "1000" else 1024


def _read_share(options: Mapping[str, str], *, stated: bool) -> str | None:
    for key, other in (("rwmixread", False), ("rwmixwrite", True)):
        text = options.get(key, "")
        if _DECIMAL.fullmatch(text) and int(text) <= 100:  # noqa: PLR2004 - per cent
            return f"{(100 - int(text) if other else int(text)) / 100:g}"
    return "0.5" if stated else None  # fio's default


def _numjobs(group: Sequence[Job], options: Mapping[str, str], clients: int) -> str | None:
    counted = max(len(group), sum(max(job.clones, 1) for job in group))
    if (told := _whole(options.get("numjobs"))) is not None:
        return str(max(int(told), -(-counted // clients)))
    return str(counted) if counted > 1 or group[0].clones else None


def _whole(text: str | None) -> str | None:
    return str(int(text)) if text is not None and _WHOLE.fullmatch(text) else None


def _every(text: str | None) -> str | None:
    """Return after how many writes there is a sync, None for never."""
    return None if _whole(text) == "0" else _whole(text)


def _word(text: str | None) -> str | None:
    return text if text and re.fullmatch(r"[0-9A-Za-z,.:-]{1,40}", text) else None


def _size(text: str | None) -> str | None:
    return text if text and re.fullmatch(r"\d{1,18}|\d{1,3}%", text) else None


def _engine(text: str) -> str | None:
    return text if _ENGINE.fullmatch(text) else None


def _alike(job: Job) -> tuple[object, ...]:
    """Return what jobs that are one workload have in common."""
    told = tuple(sorted((k, v) for k, v in options_of(job).items() if k not in _PLACES))
    return (job.group, job.name, told)


def _numbered(groups: Mapping[tuple[object, ...], list[Job]]) -> list[tuple[str, list[Job]]]:
    """Merge groups whose names differ in a last number only: job1, job2 with the same options."""
    stems: dict[tuple[object, ...], tuple[str, list[Job]]] = {}
    for (group, name, told), jobs in groups.items():
        stem = _LAST_NUMBER.sub("", str(name))
        numbered = stem and stem != name and told and jobs[0].stated
        key = (group, stem if numbered else name, told, bool(numbered))
        place = stems.setdefault(key, (str(name), []))
        place[1].extend(jobs)
        if numbered and len({job.name for job in place[1]}) > 1:
            stems[key] = (stem, place[1])
    return list(stems.values())


def _shown(text: str) -> str:
    return ascii(text)[:80]
