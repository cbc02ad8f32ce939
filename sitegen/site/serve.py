"""Looking at a built site on this machine."""

from __future__ import annotations

from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from sitegen.errors import SitegenError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sitegen.config import Config


def serve(config: Config, port: int, say: Callable[[str], None]) -> None:
    """Serve the built site on loopback until interrupted.

    Raises SitegenError when there is no site or the port is taken.
    """
    if not (config.output / "index.html").is_file():
        raise SitegenError(
            "no built site", where=str(config.output), fix="run `sitegen build` first"
        )
    handler = partial(SimpleHTTPRequestHandler, directory=str(config.output))
    try:
        server = ThreadingHTTPServer(("127.0.0.1", port), handler)
    except OSError as error:
        raise SitegenError(
            f"port {port} cannot be used: {error.strerror}", fix="choose another --port"
        ) from error
    with server:
        say(f"http://localhost:{server.server_port}/ (Ctrl-C ends it)")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            say("")
