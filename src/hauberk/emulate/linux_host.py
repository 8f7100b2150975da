"""A Linux computer: its syslog (or journal) and its audit log."""

from collections.abc import Sequence

import orjson

from .dice import Dice
from .logs import Logs
from .times import bsd, iso_micro

_ROOT_CALL = "c000003e syscall=59 success=yes exit=0"


class LinuxHost:
    """One server. `style` is how it writes: `iso`, `bsd` (RFC 3164) or `journal`."""

    def __init__(
        self, name: str, domain: str, ip: str, dice: Dice, logs: Logs, style: str = "iso"
    ) -> None:
        self.name = name
        self.fqdn = f"{name}.{domain}"
        self.ip = ip
        self.dice = dice
        self.style = style
        self._logs = logs
        self._serial = dice.randrange(1000, 900_000)
        self._audit_session = dice.randrange(100, 900)
        self._boot = dice.hex(32)
        self._machine = dice.hex(32)

    def pid(self) -> int:
        """A process id."""
        return self.dice.randrange(700, 4_000_000)

    def say(self, time: float, program: str, pid: int, message: str, *, auth: bool = False) -> None:
        """A line in syslog; `auth` for auth.log."""
        if self.style == "journal":
            line = orjson.dumps({
                "__REALTIME_TIMESTAMP": str(int(time * 1e6)),
                "__MONOTONIC_TIMESTAMP": str(int(time * 1e6) % 10**12),
                "_BOOT_ID": self._boot, "_MACHINE_ID": self._machine, "_HOSTNAME": self.name,
                "PRIORITY": "6", "SYSLOG_FACILITY": "10" if auth else "3",
                "SYSLOG_IDENTIFIER": program, "_COMM": program.lower(), "_PID": str(pid),
                "_TRANSPORT": "syslog", "MESSAGE": message,
            })  # fmt: skip
            self._logs.put(f"linux/{self.name}/journal-{{day}}.json", time, line)
            return
        stamp = bsd(int(time)) if self.style == "bsd" else iso_micro(time)
        line = f"{stamp} {self.name} {program}[{pid}]: {message}".encode()
        name = "auth" if auth else "syslog"
        self._logs.put(f"linux/{self.name}/{name}-{{day}}.log", time, line)

    # ---- what ordinary programs say

    def accept(
        self, time: float, user: str, source: tuple[str, int], how: str = "publickey",
        seconds: float = 60.0,
    ) -> int:  # fmt: skip
        """A log-on by ssh, and its end; gives the audit session."""
        pid = self.pid()
        key = f": ED25519 SHA256:{self.dice.token(43)}" if how == "publickey" else ""
        self.say(time, "sshd", pid, f"Accepted {how} for {user} from {source[0]} port {source[1]} "
                 f"ssh2{key}", auth=True)  # fmt: skip
        opened = f"pam_unix(sshd:session): session opened for user {user}(uid=1000) by (uid=0)"
        self.say(time + 0.03, "sshd", pid, opened, auth=True)
        self._audit_session += 1
        own = self._audit_session
        self._user_record(time + 0.01, "USER_LOGIN", pid, own, f'op=login acct="{user}"', source)
        closed = f"pam_unix(sshd:session): session closed for user {user}"
        self.say(time + seconds, "sshd", pid, closed, auth=True)
        return own

    def refuse(
        self, time: float, user: str, source: tuple[str, int], *, known: bool = True
    ) -> None:
        """A password that was wrong."""
        pid = self.pid()
        if not known:
            text = f"Invalid user {user} from {source[0]} port {source[1]}"
            self.say(time, "sshd", pid, text, auth=True)
        who = user if known else f"invalid user {user}"
        text = f"Failed password for {who} from {source[0]} port {source[1]} ssh2"
        self.say(time + 1.4, "sshd", pid, text, auth=True)
        text = f"Connection closed by {'authenticating' if known else 'invalid'} user {user} "
        text += f"{source[0]} port {source[1]} [preauth]"
        self.say(time + 2.1, "sshd", pid, text, auth=True)
        self._user_record(time + 1.4, "USER_LOGIN", pid, 4294967295,
                          f"op=login acct=\"{user}\"", source, good=False)  # fmt: skip

    def sudo(self, time: float, user: str, command: str, folder: str = "") -> None:
        """A command as root."""
        home = folder or f"/home/{user}"
        pid = self.pid()
        text = f"{user:>8} : TTY=pts/0 ; PWD={home} ; USER=root ; COMMAND={command}"
        self.say(time, "sudo", pid, text, auth=True)
        opened = f"pam_unix(sudo:session): session opened for user root(uid=0) by {user}(uid=1000)"
        self.say(time + 0.01, "sudo", pid, opened, auth=True)
        closed = "pam_unix(sudo:session): session closed for user root"
        self.say(time + 0.6, "sudo", pid, closed, auth=True)

    def cron(self, time: float, user: str, command: str) -> None:
        """A job of cron's."""
        pid = self.pid()
        opened = f"pam_unix(cron:session): session opened for user {user}(uid=0) by (uid=0)"
        self.say(time, "CRON", pid, opened, auth=True)
        self.say(time + 0.004, "CRON", pid + 1, f"({user}) CMD ({command})")
        closed = f"pam_unix(cron:session): session closed for user {user}"
        self.say(time + 1.1, "CRON", pid, closed, auth=True)

    # ---- the audit log

    def _audit(self, time: float, lines: Sequence[str]) -> None:
        if self.style == "journal":
            return
        self._serial += 1
        stamp = f"audit({time:.3f}:{self._serial})"
        for line in lines:
            kind, _, rest = line.partition(" ")
            text = f"type={kind} msg={stamp}: {rest}".encode()
            self._logs.put(f"linux/{self.name}/audit-{{day}}.log", time, text)

    def _user_record(
        self, time: float, kind: str, pid: int, session: int, what: str,
        source: tuple[str, int], *, good: bool = True,
    ) -> None:  # fmt: skip
        result = "success" if good else "failed"
        self._audit(time, [
            f"{kind} pid={pid} uid=0 auid={1000 if good else 4294967295} ses={session} "
            f"subj=unconfined msg='{what} exe=\"/usr/sbin/sshd\" hostname={source[0]} "
            f"addr={source[0]} terminal=ssh res={result}'",
        ])  # fmt: skip

    def run(
        self, time: float, command: Sequence[str], *, path: str = "", user: int = 0,
        login: int = 4294967295, parent: int = 1, folder: str = "/", session: int = 4294967295,
    ) -> int:  # fmt: skip
        """A program is executed (SYSCALL, EXECVE, CWD, PATH, PROCTITLE); gives its pid."""
        pid = self.pid()
        exe = path or f"/usr/bin/{command[0]}"
        name = command[0].rsplit("/", 1)[-1]
        args = " ".join(f"a{at}={_quoted(text)}" for at, text in enumerate(command))
        title = " ".join(command).encode().hex().replace("20", "20")
        self._audit(time, [
            f"SYSCALL arch={_ROOT_CALL} a0=55d0 a1=55d1 a2=55d2 a3=8 items=2 ppid={parent} "
            f"pid={pid} auid={login} uid={user} gid={user} euid={user} suid={user} fsuid={user} "
            f"egid={user} sgid={user} fsgid={user} tty=(none) ses={session} comm=\"{name[:15]}\" "
            f"exe=\"{exe}\" subj=unconfined key=\"exec\"",
            f"EXECVE argc={len(command)} {args}",
            f"CWD cwd=\"{folder}\"",
            f"PATH item=0 name=\"{exe}\" inode={len(exe) * 7919} dev=fd:00 mode=0100755 ouid=0 "
            "ogid=0 rdev=00:00 nametype=NORMAL cap_fp=0 cap_fi=0 cap_fe=0 cap_fver=0 cap_frootid=0",
            f"PROCTITLE proctitle={title.upper()}",
        ])  # fmt: skip
        return pid


def _quoted(text: str) -> str:
    if any(letter in text for letter in " \"'") or not text.isprintable():
        return text.encode().hex().upper()
    return f'"{text}"'
