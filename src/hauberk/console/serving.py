"""Serves the console over TLS."""

import contextlib
import ipaddress
import socket
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from hauberk.errors import HomeBusyError, UsageError
from hauberk.store import Home

from .app import application
from .certificates import ServerCertificate, certificate_for
from .console import FOLDER, Console
from .private_files import make_private_folder


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """Where a console listens; `names` are further hosts or addresses that it is reached by."""

    home: Path
    host: str = "127.0.0.1"
    port: int = 8443
    names: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Started:
    """What somebody who starts a console is told. `setup` is the one-time link of a first run."""

    address: str
    ca: Path
    fingerprint: str
    setup: str | None


def read_listen(text: str) -> tuple[str, int]:
    """Host and port of `HOST:PORT`. Raises UsageError."""
    host, _, port = text.rpartition(":")
    host = host.strip("[]")
    if not host or not (port.isascii() and port.isdecimal() and 0 < int(port) < 65536):
        raise UsageError("expected HOST:PORT", where=f"--listen {text}")
    return host, int(port)


def names_of(options: ServeOptions) -> list[str]:
    """Names that browsers may reach the console by: those of its certificate."""
    names = list(options.names)
    try:
        address = ipaddress.ip_address(options.host)
    except ValueError:
        names.append(options.host)
    else:
        if address.is_loopback:
            names += ["localhost", "127.0.0.1", "::1"]
        elif address.is_unspecified:
            names += ["localhost", "127.0.0.1"]
        else:
            names.append(str(address))
    return list(dict.fromkeys(one.casefold() for one in names))


def serve(options: ServeOptions, started: Callable[[Started], None]) -> None:
    """Serve until a signal ends it; `started` is called once everything is in place.

    Makes the home where there is none. Raises HauberkError.
    """
    with contextlib.suppress(HomeBusyError):  # whoever writes it has made it and migrated it
        Home.open(options.home).close()
    console = Console.of(options.home)
    names = names_of(options)
    folder = make_private_folder(options.home / FOLDER)
    certificate = certificate_for(folder, names, console.clock())
    config = configured(application(console, names), options, certificate)
    shown = next((one for one in options.names), names[0])
    address = f"https://{f'[{shown}]' if ':' in shown else shown}:{options.port}"
    token = console.accounts.first_link(console.clock())
    setup = None if token is None else f"{address}/setup/{token}"
    started(Started(address, certificate.ca, certificate.fingerprint, setup))
    _Server(config, console).run()


def configured(
    app: ASGIApp, options: ServeOptions, certificate: ServerCertificate
) -> uvicorn.Config:
    """How the application is served: TLS, and bounds on what is taken before anybody signs in."""
    config = uvicorn.Config(
        app,
        host=options.host,
        port=options.port,
        # The other parser, which is taken where it is installed, knows no bound on headers.
        http="h11",
        ssl_certfile=certificate.chain,
        ssl_keyfile=certificate.key,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        timeout_keep_alive=30,
        timeout_graceful_shutdown=3,
        limit_concurrency=500,
        h11_max_incomplete_event_size=32 << 10,
    )
    config.load()
    assert config.ssl is not None
    config.ssl.minimum_version = ssl.TLSVersion.TLSv1_2
    return config


class _Server(uvicorn.Server):
    """Tells pages that stay open when it ends, or it would wait for them."""

    def __init__(self, config: uvicorn.Config, console: Console) -> None:
        super().__init__(config)
        self._console = console

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End, asked by a signal: not in its handler, which may interrupt who has the lock."""
        self._console.stopping.set()
        await super().shutdown(sockets)
