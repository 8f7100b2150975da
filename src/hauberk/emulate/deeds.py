"""Deeds that several logs see: each writes to all of them, with the same names and addresses."""

from collections.abc import Sequence

from .accounts import Account, Process, Session
from .company import Company
from .directory import service_ticket
from .sensor import Amount, Seen
from .windows_deeds import connect, query, share_access
from .windows_host import WindowsHost

_FORGETS = 600.0


def resolve(company: Company, host: WindowsHost, time: float, name: str, process: Process) -> str:
    """The address of a name: asked of the domain controller where the host has forgotten it."""
    ip = company.address(name)
    if host.resolved.get(name, 0.0) + _FORGETS < time:
        host.resolved[name] = time
        dc = company.windows["dc01"]
        company.sensor.dns(time, host.ip, dc.ip, name, [ip])
        if not ip.startswith("10.") and dc.resolved.get(name, 0.0) + _FORGETS < time:
            dc.resolved[name] = time
            company.sensor.dns(time + 0.001, dc.ip, company.address("resolver.isp.example"), name,
                               [ip])  # fmt: skip
        query(host, time + 0.01, process, name, f"::ffff:{ip};")
    return ip


def secure(
    company: Company, host: WindowsHost, time: float, process: Process, name: str,
    amount: Amount, client: str = "", *, port: int = 443, known: bool = True,
) -> Seen:  # fmt: skip
    """A program talks TLS to a name."""
    ip = resolve(company, host, time, name, process)
    client = client or process.image.rsplit("\\", 1)[-1].lower()
    seen = company.sensor.tls(time + 0.03, host.ip, (ip, port), name, amount, client, known=known)
    connect(host, time + 0.04, process, (ip, port), name, seen.port)
    return seen


def plain(
    company: Company, host: WindowsHost, time: float, process: Process, name: str,
    request: tuple[str, str], agent: str, body: int, mime: str = "text/html",
) -> Seen:  # fmt: skip
    """A program asks by HTTP without TLS: a request is a method and a path."""
    ip = resolve(company, host, time, name, process)
    seen = company.sensor.http(time + 0.03, host.ip, (ip, 80), (request[0], name, request[1]),
                               agent, body=body, mime=mime)  # fmt: skip
    connect(host, time + 0.04, process, (ip, 80), name, seen.port)
    return seen


def network_log_on(
    company: Company, time: float, source: WindowsHost, server: WindowsHost, account: Account,
    service: str = "cifs", package: str = "Kerberos",
) -> Session:  # fmt: skip
    """A log-on over the network: a ticket at the domain controller, a session on the server."""
    if package == "Kerberos":
        service_ticket(company, time, source, account, server, service)
    return server.log_on(time + 0.02, account, 3, (source.name, source.ip), package)


def open_share(
    company: Company, time: float, source: WindowsHost, server: WindowsHost, account: Account,
    share: str, opened: Sequence[tuple[str, str, int]] = (), seconds: float = 30.0,
    package: str = "Kerberos",
) -> Session:  # fmt: skip
    """Somebody uses files (action, name, size) on a share of a server."""
    session = network_log_on(company, time, source, server, account, package=package)
    path = f"\\\\{server.fqdn}\\{share}"
    seen = company.sensor.smb(time + 0.01, source.ip, server.ip, path, opened, seconds)
    connect(source, time + 0.02, source.running["system"], (server.ip, 445), server.fqdn, seen.port)
    local = "C:\\Windows" if share == "ADMIN$" else f"D:\\Shares\\{share}"
    if share == "C$":
        local = "C:\\"
    origin = (source.ip, seen.port)
    share_access(server, time + 0.03, session, origin, share, local)
    step = seconds / (len(opened) + 1)
    for at, (action, name, _) in enumerate(opened, 1):
        access = {"SMB::FILE_OPEN": "%%4416", "SMB::FILE_DELETE": "%%1537"}.get(action, "%%4417")
        share_access(server, time + 0.03 + at * step, session, origin, share, local, name, access)
    server.log_off(time + seconds + 1, session)
    return session


def call_remotely(
    company: Company, time: float, source: WindowsHost, server: WindowsHost, account: Account,
    pipe: str, calls: Sequence[tuple[str, str]], process: Process | None = None,
) -> Session:  # fmt: skip
    """Somebody calls procedures (endpoint, operation) of a server through a named pipe."""
    session = network_log_on(company, time, source, server, account)
    seen = company.sensor.rpc(time + 0.01, source.ip, (server.ip, 445), f"\\pipe\\{pipe}", calls)
    by = process or source.running["system"]
    connect(source, time + 0.02, by, (server.ip, 445), server.fqdn, seen.port)
    origin = (source.ip, seen.port)
    share_access(server, time + 0.03, session, origin, "IPC$", "")
    share_access(server, time + 0.04, session, origin, "IPC$", "", pipe)
    server.log_off(time + 12, session)
    return session
