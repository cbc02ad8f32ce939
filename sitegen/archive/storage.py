"""Where an archive lies that is no folder of this machine: names, bytes, and writing once.

The only place that knows fsspec and its backends. Whatever fails there is one line, and takes a
bounded time; what is there is somebody else's, so nothing is read past its bounds.
"""

from __future__ import annotations

import contextlib
import inspect
import re
import time
from collections.abc import Callable, Iterator, Mapping
from html import unescape
from typing import Any, NamedTuple, TypeVar
from urllib.parse import unquote, urljoin

from sitegen import distribution
from sitegen.archive.store import Absent
from sitegen.config import StorageTable
from sitegen.errors import SitegenError

#: Names that a listing may have: a folder of 100,000 runs, or an archive of as many with all files.
MOST_NAMES = 2_000_000
#: A page that lists a folder, in bytes; how deep folders of an archive lie in each other.
_MOST_LISTING, _DEEPEST = 64_000_000, 6
_LINK = re.compile(rb"""href=["']([^"'<>]{1,2000})["']""", re.IGNORECASE)
_CONNECT_S, _READ_S = 10, 20
#: How long what broke off waits until it is tried again: here alone, no backend does it itself.
_WAITS_S = (0.2, 1.0, 3.0)
#: An object store has no folders: names that begin alike, and as many in a request.
_S3 = ("s3", "s3a")
_HTTP = ("http", "https")
#: What a text that a backend wrote may have of an address that nobody else is to know.
_SECRET = re.compile(r"(?<=//)[^/@\s]*@|\?\S*")
_MOST_TEXT = 200
Result = TypeVar("Result")


class Names(NamedTuple):
    """What is in a folder, by name."""

    folders: frozenset[str]
    files: frozenset[str]


class Storage:
    """A place that fsspec reaches, with an archive in it."""

    def __init__(self, url: str, settings: StorageTable) -> None:
        """Get ready to use ``url``; nothing is asked for yet.

        Raises SitegenError when no backend for it is installed.
        """
        self.url, self.scheme = url, url.partition("://")[0]
        with self._said():
            self.fs: Any = _backend(self.scheme)(**_options(self.scheme, settings))
            self.fs.retries = 1  # of s3fs
            self.base = str(self.fs._strip_protocol(url)).rstrip("/")  # noqa: SLF001 - its own way to tell

    def check_writable(self) -> None:
        """Raise SitegenError where nothing can be written."""
        if self.scheme in _HTTP:
            fix = "name the archive that it shows"
            raise SitegenError("nothing is written over HTTP", where=self.url, fix=fix)

    def names(self, folder: str = "") -> Names:
        """Return what is directly in ``folder``; raises `Absent` where there is none."""
        listed = self._names_s3 if self.scheme in _S3 else self._names
        listed = self._names_http if self.scheme in _HTTP else listed
        return self._patiently(folder, lambda: listed(folder))

    def tree(self, folder: str = "") -> frozenset[str]:
        """Return the files in ``folder`` and in all folders below it, by their paths from it."""
        if self.scheme in _S3:
            return self._patiently(folder, lambda: self._names_s3(folder, deep=True)).files
        if self.scheme in _HTTP:
            return self._tree_http(folder)
        return self._patiently(folder, lambda: self._tree(folder))

    def read(self, path: str, most: int) -> bytes:
        """Return a file, of a larger one the first ``most`` + 1 bytes; raises `Absent`.

        What breaks off is asked for again.
        """
        return self._patiently(path, lambda: self._read(path, most))

    def put(self, path: str, data: bytes, *, replace: bool = False) -> bool:
        """Write a file, and say whether it was written: not where there is one already.

        A store that can is asked to write only where nothing is; any other is looked at before.
        With ``replace`` what is there is written over.
        """
        self.check_writable()
        return self._patiently(path, lambda: self._put(path, data, replace=replace))

    def _names(self, folder: str) -> Names:
        place = self._path(folder)
        kinds = {"directory": set[str](), "file": set[str]()}
        for each in self.fs.ls(place, detail=True):
            name = self._name(each["name"], place)
            if name and "/" not in name:
                kinds.setdefault(each["type"], set()).add(name)
        self._check_number(sum(map(len, kinds.values())))
        return Names(frozenset(kinds["directory"]), frozenset(kinds["file"]))

    def _tree(self, folder: str) -> frozenset[str]:
        place = self._path(folder)
        found = self.fs.find(place)
        self._check_number(len(found))
        return frozenset(name for each in found if (name := self._name(each, place)))

    def _names_http(self, folder: str) -> Names:
        """Return what the page of a folder links to that lies in it; nobody else's is asked for."""
        place = f"{self._path(folder)}/"
        page = self._streamed(place, _MOST_LISTING)
        if len(page) > _MOST_LISTING:
            raise SitegenError(f"its listing is larger than {_MOST_LISTING // 1_000_000} MB")
        folders, files = set[str](), set[str]()
        for found in _LINK.finditer(page):
            link = unescape(found[1].decode("utf-8", "replace"))
            with contextlib.suppress(ValueError):  # it has the look of an address, and is none
                link = urljoin(place, link)
            name = self._name(link.partition("#")[0].partition("?")[0], place)
            if name not in ("", ".", "..") and "/" not in name:
                (folders if link.endswith("/") else files).add(name)
                self._check_number(len(folders) + len(files))
        return Names(frozenset(folders), frozenset(files))

    def _tree_http(self, folder: str) -> frozenset[str]:
        """Return all files below a folder, whose pages may name folders without an end."""
        found, left = set[str](), [""]
        while left:
            above = left.pop()
            names = self.names(f"{folder}/{above}".strip("/"))
            found |= {f"{above}{name}" for name in names.files}
            if above.count("/") < _DEEPEST:
                left += [f"{above}{name}/" for name in sorted(names.folders)]
            self._check_number(len(found) + len(left))
        return frozenset(found)

    def _names_s3(self, folder: str, *, deep: bool = False) -> Names:
        bucket, key, _ = self.fs.split_path(self._path(folder))
        prefix = f"{key}/" if key else ""
        ask = {"Bucket": bucket, "Prefix": prefix} | ({} if deep else {"Delimiter": "/"})
        folders, files, more = set[str](), set[str](), ""
        while True:
            following = {"ContinuationToken": more} if more else {}
            page = self.fs.call_s3("list_objects_v2", **ask, **following)
            before = len(folders) + len(files)
            folders |= {_text(p.get("Prefix"), prefix) for p in page.get("CommonPrefixes") or ()}
            files |= {_text(each.get("Key"), prefix) for each in page.get("Contents") or ()}
            self._check_number(len(folders) + len(files))
            last, more = more, page.get("NextContinuationToken") or ""
            if not (more and page.get("IsTruncated")):
                break
            if more == last or len(folders) + len(files) == before:
                raise SitegenError("its listing does not end")
        if not folders and not files:
            raise FileNotFoundError(folder)
        return Names(frozenset(folders - {""}), frozenset(files - {""}))

    def _read(self, path: str, most: int) -> bytes:
        place = self._path(path)
        if self.scheme in _HTTP:
            return self._streamed(place, most)
        try:
            data: bytes = self.fs.cat_file(place, start=0, end=most + 1)
        except (OSError, ValueError) as error:
            if _status(error) == _EMPTY or _code(error) == "InvalidRange":
                return b""
            raise
        return data[: most + 1]

    def _streamed(self, place: str, most: int) -> bytes:
        # With a size nobody asks for it, and the bytes come as a stream.
        with self.fs.open(place, "rb", block_size=0, size=1) as file:
            parts, size = [], 0
            while size <= most and (part := file.read(min(1 << 20, most + 1 - size))):
                parts.append(part)
                size += len(part)
            return b"".join(parts)

    def _put(self, path: str, data: bytes, *, replace: bool) -> bool:
        place = self._path(path)
        once = {} if replace else {"mode": "create"}
        if not replace and self.scheme not in _S3:
            if self.fs.exists(place):
                return False
            if not _takes(self.fs, "mode"):
                once = {}
            # Folders are there, or the store has none and does not know the word.
            with contextlib.suppress(FileExistsError, NotImplementedError):
                self.fs.makedirs(place.rpartition("/")[0], exist_ok=True)
        try:
            self.fs.pipe_file(place, data, **once)
        except OSError as error:
            if isinstance(error, FileExistsError) or _status(error) == _THERE:
                return False
            raise
        return True

    def _patiently(self, path: str, work: Callable[[], Result]) -> Result:
        """Do what may break off on its way once more, and again."""
        with self._said(path):
            for wait_s in _WAITS_S:
                try:
                    return work()
                except Exception as error:
                    if not _passes(error):
                        raise
                    time.sleep(wait_s)
            return work()

    def _path(self, path: str) -> str:
        return f"{self.base}/{path}" if path else self.base

    def _name(self, found: str, folder: str) -> str:
        """Return the path of what was found in a folder, seen from it; nothing if it is not."""
        name = unquote(found) if self.scheme in _HTTP else found
        name, start = name.strip("/"), f"{folder.strip('/')}/"
        return name.removeprefix(start) if name.startswith(start) else ""

    def _check_number(self, number: int) -> None:
        if number > MOST_NAMES:
            raise SitegenError(f"has more than {MOST_NAMES:,} names")

    @contextlib.contextmanager
    def _said(self, path: str = "") -> Iterator[None]:
        """Say in one line what fails within."""
        place = f"{self.url}/{path}" if path else self.url
        try:
            yield
        except Absent:
            raise
        except SitegenError as error:
            raise SitegenError(error.what, where=error.where or place, fix=error.fix) from error
        except (MemoryError, BrokenPipeError):
            raise
        except ImportError as error:
            raise SitegenError(*_needed(self.scheme, error)) from error
        except Exception as error:
            raise _failure(error, place) from error


def _backend(scheme: str) -> Callable[..., Any]:
    from fsspec.registry import get_filesystem_class, known_implementations

    if scheme not in known_implementations:
        fix = "s3, gs, az, sftp, https and what else fsspec knows"
        raise SitegenError(f"no kind of archive is called {scheme!r}", fix=fix)
    backend: Callable[..., Any] = get_filesystem_class(scheme)
    return backend


def _options(scheme: str, settings: StorageTable) -> Mapping[str, Any]:
    """Return how a backend is asked: nothing from memory, and no longer than it takes."""
    alike = {"skip_instance_cache": True, "use_listings_cache": False}
    if scheme in _HTTP:
        from aiohttp import ClientTimeout

        limits = ClientTimeout(total=600, sock_connect=_CONNECT_S, sock_read=_READ_S)
        return alike | {"client_kwargs": {"timeout": limits}}
    if scheme not in _S3:
        return alike
    given = {
        "endpoint_url": settings.endpoint_url,
        "profile": settings.profile,
        "anon": settings.anonymous,
    }
    config = {
        "connect_timeout": _CONNECT_S,
        "read_timeout": _READ_S,
        "retries": {"total_max_attempts": 1},
        # What not every store that speaks S3 understands.
        "request_checksum_calculation": "when_required",
        "response_checksum_validation": "when_required",
    }
    asked = {"config_kwargs": config, "max_concurrency": 1}
    return alike | asked | {key: value for key, value in given.items() if value}


def _takes(fs: Any, name: str) -> bool:  # noqa: ANN401 - fsspec has no types
    method = getattr(fs, "_pipe_file", fs.pipe_file)
    return name in inspect.signature(method).parameters


def _text(value: object, prefix: str) -> str:
    return str(value or "").removeprefix(prefix).rstrip("/")


def _response(error: BaseException) -> Mapping[str, Any]:
    for each in (error, error.__cause__):
        if isinstance(response := getattr(each, "response", None), dict):
            return response
    return {}


def _status(error: BaseException) -> int:
    """Return the status of HTTP that an error stands for; 0 for none."""
    status = _response(error).get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return int(status or getattr(error, "status", 0) or 0)


def _code(error: BaseException) -> str:
    return str(_response(error).get("Error", {}).get("Code", ""))


def _kinds(error: BaseException) -> set[str]:
    """Return what an error is called, and what it is a kind of: backends have their own."""
    return {
        kind.__name__ for each in (error, error.__cause__) if each for kind in type(each).__mro__
    }


#: What errors of backends are called, by what came of it.
_PASSING = {
    "ClientPayloadError", "ClientOSError", "ServerDisconnectedError", "SocketTimeoutError",
    "ConnectionClosedError", "ConnectionResetError", "ReadTimeoutError", "ResponseStreamingError",
    "IncompleteReadError",
}  # fmt: skip
_REFUSED = {"ClientConnectorError", "EndpointConnectionError", "ConnectTimeoutError"}
_UNREACHED = {
    "ConnectionError", "TimeoutError", "gaierror", "FSTimeoutError", *_REFUSED, *_PASSING
}  # fmt: skip
_UNNAMED = {"NoCredentialsError", "PartialCredentialsError", "ProfileNotFound"}
_WRONG = {"InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken"}
_NOT_THERE, _FORBIDDEN, _UNKNOWN, _THERE, _EMPTY = 404, 403, 401, 412, 416
_BUSY = (409, 500, 502, 503, 504)


def _passes(error: BaseException) -> bool:
    """Say whether the same may do a moment later: what broke off, a store that is busy."""
    kinds = _kinds(error)
    return not kinds & _REFUSED and (bool(kinds & _PASSING) or _status(error) in _BUSY)


def _failure(error: Exception, place: str) -> SitegenError:
    """Return what failed at a place, with a user's next step."""
    kinds, code, status = _kinds(error), _code(error), _status(error)
    missing = isinstance(error, FileNotFoundError) or status == _NOT_THERE
    # A store of objects says what is not there; whatever else answers so is none.
    if missing and (code == "NoSuchKey" or not _response(error)):
        return Absent("is not there", where=place)
    if code == "NoSuchBucket":
        what, fix = "there is no such bucket", "make it, or check its name"
    elif missing:
        what, fix = f"answers with status {status}", "is it the address of a store?"
    elif kinds & _UNNAMED:
        what = "no credentials for it were found"
        fix = "set them as its own tools do: in the environment, a file or a profile"
    elif code in _WRONG or status == _UNKNOWN:
        what, fix = "the credentials are refused", "check them where its own tools look for them"
    elif isinstance(error, PermissionError) or status == _FORBIDDEN:
        what, fix = "is not permitted", "ask for the right to list, read and write there"
    elif status in _BUSY:
        what, fix = f"answers with status {status}", "try again later"
    elif kinds & _UNREACHED:
        what, fix = "cannot be reached", "check the network and the address"
    else:
        text = str(getattr(error, "strerror", "") or error)
        lines = _SECRET.sub("", text).splitlines() or [""]
        what, fix = f"fails: {lines[0][:_MOST_TEXT] or type(error).__name__}", "try again"
    return SitegenError(what, where=place, fix=fix)


def _needed(scheme: str, error: ImportError) -> tuple[str]:
    """Return which package a kind of archive needs, and how it is installed."""
    cause = error.__cause__ if isinstance(error.__cause__, ImportError) else error
    module = (cause.name or "").partition(".")[0]
    if scheme in (*_S3, *_HTTP) or module in ("", "fsspec"):
        line = distribution.install("remote")
    else:
        line = f"pip install {module}"
    return (f"{scheme}:// {distribution.absent(module or 'a package')}; {line}",)
