"""The network sensor: Zeek's logs of what passes between the company's networks and out of it."""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, partial
from hashlib import blake2b
from importlib.resources import files
from typing import NamedTuple

from .dice import Dice
from .logs import Logs

_STATES = {"SF": "ShADadFf", "S0": "S", "REJ": "Sr", "RSTO": "ShADadR", "OTH": "Cc", "S1": "ShADad"}
_EXPIRES = "1798761600.000000"


@cache
def _tables() -> dict[str, tuple[str, str]]:
    text = files(__package__).joinpath("zeek.toml").read_text("utf-8")
    return {name: (row["fields"], row["types"]) for name, row in tomllib.loads(text).items()}


def _header(name: str, time: float) -> bytes:
    fields, types = (text.replace(" ", "\t") for text in _tables()[name])
    opened = datetime.fromtimestamp(int(time), UTC).strftime("%Y-%m-%d-%H-%M-%S")
    return (
        "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n"
        f"#path\t{name}\n#open\t{opened}\n#fields\t{fields}\n#types\t{types}\n"
    ).encode()


@cache
def _ja3(of: str) -> str:
    return blake2b(of.encode(), digest_size=16).hexdigest()


@cache
def _inside(ip: str) -> str:
    return "T" if ip.startswith("10.") else "F"


class Seen(NamedTuple):
    """A connection as the sensor saw it."""

    uid: str
    prefix: str  # uid and both endpoints, as all of Zeek's logs write them
    port: int  # the originator's


@dataclass(frozen=True, slots=True)
class Amount:
    """How long a connection lasts and how many bytes pass each way."""

    seconds: float
    out: int
    back: int


class Sensor:
    """Zeek at the company's core switch."""

    def __init__(self, dice: Dice, logs: Logs) -> None:
        self._dice = dice
        self._logs = logs
        for name in _tables():
            logs.header(f"{name}.log", partial(_header, name))

    def _put(self, log: str, time: float, line: str) -> None:
        self._logs.put(f"zeek/{{day}}/{log}.log", time, f"{time:.6f}\t{line}".encode())

    def connection(
        self, time: float, source: str, there: tuple[str, int], service: str, amount: Amount,
        protocol: str = "tcp", state: str = "SF", port: int = 0,
    ) -> Seen:  # fmt: skip
        """One connection (conn.log)."""
        dice = self._dice
        port = port or dice.randrange(49152, 65535)
        uid = "C" + dice.token(17)
        prefix = f"{uid}\t{source}\t{port}\t{there[0]}\t{there[1]}"
        answered = state not in {"S0", "REJ"}
        sizes = f"{amount.seconds:.6f}\t{amount.out}\t{amount.back}" if answered else "-\t-\t-"
        out_packets = amount.out // 900 + (4 if protocol == "tcp" and answered else 1)
        in_packets = amount.back // 1300 + (4 if protocol == "tcp" else 1) if answered else 0
        history = _STATES.get(state, "ShADadFf") if protocol == "tcp" else "Dd" if answered else "D"
        self._put(
            "conn", time,
            f"{prefix}\t{protocol}\t{service}\t{sizes}\t{state}\t{_inside(source)}\t"
            f"{_inside(there[0])}\t0\t{history}\t{out_packets}\t{amount.out + 40 * out_packets}\t"
            f"{in_packets}\t{amount.back + 40 * in_packets}\t-",
        )  # fmt: skip
        return Seen(uid, prefix, port)

    def dns(
        self, time: float, source: str, server: str, name: str, answers: Sequence[str],
        kind: str = "A", ttl: int = 300,
    ) -> Seen:  # fmt: skip
        """A question to a name server; no answers mean that there is no such name."""
        wait = self._dice.uniform(0.0006, 0.03)
        back = 60 + len(name) + 16 * len(answers)
        seen = self.connection(
            time, source, (server, 53), "dns", Amount(wait, 30 + len(name), back), "udp"
        )
        code = {"A": 1, "PTR": 12, "TXT": 16, "AAAA": 28, "SRV": 33, "MX": 15}[kind]
        status = "0\tNOERROR" if answers else "3\tNXDOMAIN"
        said = ",".join(answers) or "-"
        lives = ",".join([f"{ttl}.000000"] * len(answers)) or "-"
        self._put(
            "dns", time + 0.0001,
            f"{seen.prefix}\tudp\t{self._dice.randrange(65536)}\t{wait:.6f}\t{name}\t1\tC_INTERNET\t"
            f"{code}\t{kind}\t{status}\tF\tF\tT\tT\t0\t{said}\t{lives}\tF",
        )  # fmt: skip
        return seen

    def tls(
        self, time: float, source: str, there: tuple[str, int], name: str, amount: Amount,
        client: str = "browser", *, known: bool = True,
    ) -> Seen:  # fmt: skip
        """A TLS session (conn.log, ssl.log); `known=False` for a certificate that nobody trusts."""
        seen = self.connection(time, source, there, "ssl", amount)
        resumed = "T" if known and self._dice.chance(0.4) else "F"
        self._put(
            "ssl", time + 0.02,
            f"{seen.prefix}\tTLSv13\tTLS_AES_256_GCM_SHA384\tx25519\t{name or '-'}\t{resumed}\t-\t"
            f"{'h2' if client == 'browser' else '-'}\tT\tCsiI\t-\t-\t{'T' if known else 'F'}\t"
            f"{_ja3(client)}\t{_ja3('server ' + name)}",
        )  # fmt: skip
        return seen

    def http(
        self, time: float, source: str, there: tuple[str, int], request: tuple[str, str, str],
        agent: str, status: int = 200, body: int = 4000, mime: str = "text/html", sent: int = 0,
    ) -> Seen:  # fmt: skip
        """A request (method, host, path) without TLS: conn.log, http.log, files.log."""
        method, host, path = request
        amount = Amount(self._dice.uniform(0.02, 0.6), 420 + len(path) + sent, 300 + body)
        seen = self.connection(time, source, there, "http", amount)
        fuid = "F" + self._dice.token(17) if body else ""
        words = {200: "OK", 204: "No Content", 301: "Moved Permanently", 304: "Not Modified",
                 302: "Found", 403: "Forbidden", 404: "Not Found"}.get(status, "OK")  # fmt: skip
        self._put(
            "http", time + 0.01,
            f"{seen.prefix}\t1\t{method}\t{host}\t{path}\t-\t1.1\t{agent or '-'}\t-\t{sent}\t"
            f"{body}\t{status}\t{words}\t-\t-\t(empty)\t-\t-\t-\t-\t-\t-\t{fuid or '-'}\t-\t"
            f"{mime if fuid else '-'}",
        )  # fmt: skip
        if fuid:
            self._file(time + 0.02, seen, fuid, "HTTP", mime, "-", body)
        return seen

    def _file(
        self, time: float, seen: Seen, fuid: str, source: str, mime: str, name: str, size: int
    ) -> None:
        digest = _ja3(f"{name}{size}")
        self._put(
            "files", time,
            f"{fuid}\t{seen.prefix}\t{source}\t0\tMD5,SHA1\t{mime}\t{name}\t0.010000\tF\tF\t{size}\t"
            f"{size}\t0\t0\tF\t-\t{digest}\t{digest}{digest[:8]}\t-\t-\t-\t-",
        )  # fmt: skip

    def smb(
        self, time: float, source: str, server: str, share: str,
        opened: Sequence[tuple[str, str, int]] = (), seconds: float = 30.0,
    ) -> Seen:  # fmt: skip
        """A share is mapped and files on it (action, name, size) are used."""
        sent = sum(size for action, _, size in opened if action != "SMB::FILE_OPEN")
        read = sum(size for action, _, size in opened if action == "SMB::FILE_OPEN")
        amount = Amount(seconds, 2400 + 300 * len(opened) + sent, 2100 + 280 * len(opened) + read)
        seen = self.connection(time, source, (server, 445), "gssapi,smb", amount)
        kind = "PIPE" if share.endswith("IPC$") else "DISK"
        self._put("smb_mapping", time + 0.02, f"{seen.prefix}\t{share}\t-\t-\t{kind}")
        step = seconds / (len(opened) + 1)
        for at, (action, name, size) in enumerate(opened, 1):
            when = time + 0.03 + at * step
            stamp = f"{time - 86400 * (1 + size % 90):.6f}"
            renamed = name.rsplit(".", 1)[0] if action == "SMB::FILE_RENAME" else "-"
            self._put(
                "smb_files", when,
                f"{seen.prefix}\t-\t{action}\t{share}\t{name}\t{size}\t{renamed}\t{stamp}\t{stamp}\t"
                f"{stamp}\t{stamp}",
            )  # fmt: skip
        return seen

    def kerberos(
        self, time: float, source: str, server: str, client: str, service: str, error: str = "-",
        cipher: str = "aes256-cts-hmac-sha1-96",
    ) -> None:  # fmt: skip
        """A ticket is asked for (kerberos.log): AS where the service is krbtgt, else TGS."""
        seen = self.connection(
            time, source, (server, 88), "krb_tcp", Amount(0.004, 1530, 1610)
        )  # fmt: skip
        kind = "AS" if service.startswith("krbtgt") else "TGS"
        good = "T" if error == "-" else "F"
        self._put(
            "kerberos", time + 0.002,
            f"{seen.prefix}\t{kind}\t{client}\t{service}\t{good}\t{error}\t-\t{_EXPIRES}\t{cipher}\t"
            "T\tT\t-\t-\t-\t-",
        )  # fmt: skip

    def rpc(
        self, time: float, source: str, there: tuple[str, int], pipe: str,
        calls: Sequence[tuple[str, str]],
    ) -> Seen:  # fmt: skip
        """Remote procedure calls (endpoint, operation) over one connection."""
        service = "gssapi,smb,dce_rpc" if there[1] == 445 else "dce_rpc"
        amount = Amount(0.2 + 0.05 * len(calls), 900 + 240 * len(calls), 700 + 320 * len(calls))
        seen = self.connection(time, source, there, service, amount)
        if there[1] == 445:
            mapped = f"{seen.prefix}\t\\\\{there[0]}\\IPC$\t-\t-\tPIPE"
            self._put("smb_mapping", time + 0.01, mapped)
        for at, (endpoint, operation) in enumerate(calls):
            text = f"{seen.prefix}\t{self._dice.uniform(0.0003, 0.002):.6f}\t{pipe}\t{endpoint}"
            self._put("dce_rpc", time + 0.02 + at / 50, f"{text}\t{operation}")
        return seen

    def rdp(
        self, time: float, source: str, server: str, cookie: str, client: str, seconds: float
    ) -> Seen:
        """A remote desktop session."""
        amount = Amount(seconds, int(900 * seconds), int(9000 * seconds))
        seen = self.connection(time, source, (server, 3389), "rdp,ssl", amount)
        self._put(
            "rdp", time + 0.03,
            f"{seen.prefix}\t{cookie}\tencrypted\tHYBRID\t-\tEnglish - United States\tRDP 10.11\t"
            f"{client}\t-\t1920\t1080\t32bit\tX.509\t1\tF\t-\t-",
        )  # fmt: skip
        return seen

    def ssh(
        self, time: float, source: str, server: str, amount: Amount, client: str, port: int = 0,
        *, success: bool = True, attempts: int = 1,
    ) -> Seen:  # fmt: skip
        """A Secure Shell session."""
        seen = self.connection(time, source, (server, 22), "ssh", amount, port=port)
        ways = f"{_inside(source)}{_inside(server)}"
        way = {"TF": "OUTBOUND", "FT": "INBOUND"}.get(ways, "-")
        self._put(
            "ssh", time + 0.05,
            f"{seen.prefix}\t2\t{'T' if success else 'F'}\t{attempts}\t{way}\t{client}\t"
            "SSH-2.0-OpenSSH_9.6p1\taes128-gcm@openssh.com\t-\tnone\tcurve25519-sha256\t"
            f"ssh-ed25519\t{_ja3(server)}",
        )  # fmt: skip
        return seen

    def mail(
        self, time: float, source: str, server: str, letter: tuple[str, str, str], size: int,
        attached: tuple[str, str] | None = None,
    ) -> Seen:  # fmt: skip
        """A letter (from, to, subject) is handed over by SMTP, perhaps with a file (name, type)."""
        sender, receiver, subject = letter
        seen = self.connection(time, source, (server, 25), "smtp", Amount(1.2, size, 620))
        fuid = "F" + self._dice.token(17)
        self._put(
            "smtp", time + 0.1,
            f"{seen.prefix}\t1\t{sender.split('@')[1]}\t{sender}\t{receiver}\t-\t{sender}\t{receiver}"
            f"\t-\t-\t<{self._dice.hex(16)}@{sender.split('@')[1]}>\t-\t{subject}\t-\t-\t-\t"
            f"250 2.0.0 Ok: queued\t{server},{source}\t-\tF\t{fuid}",
        )  # fmt: skip
        name, mime = attached or ("-", "text/plain")
        self._file(time + 0.2, seen, fuid, "SMTP", mime, name, size)
        return seen
