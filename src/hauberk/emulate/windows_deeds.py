"""What processes and accounts do on a Windows computer, as its logs tell it."""

from .accounts import Account, Process, Session
from .programs import hashes
from .times import iso, sysmon_time
from .windows_host import WindowsHost
from .windows_log import EVENTLOG, POWERSHELL, SECURITY, SYSMON, SYSTEM, hexadecimal

_PORT_NAMES = {80: "http", 443: "https", 445: "microsoft-ds", 53: "domain", 3389: "ms-wbt-server"}


def _by(time: float, process: Process) -> dict[str, str]:
    return {
        "RuleName": "-", "UtcTime": sysmon_time(time), "ProcessGuid": process.guid,
        "ProcessId": str(process.pid), "Image": process.image,
    }  # fmt: skip


def _user(process: Process) -> dict[str, str]:
    return {"User": process.session.account.full}


def subject(session: Session) -> dict[str, str]:
    """Whose doing a Security event is."""
    account = session.account
    return {
        "SubjectUserSid": account.sid, "SubjectUserName": account.name,
        "SubjectDomainName": account.domain, "SubjectLogonId": session.logon_id,
    }  # fmt: skip


def connect(
    host: WindowsHost, time: float, process: Process, there: tuple[str, int], name: str = "-",
    port: int = 0, protocol: str = "tcp",
) -> None:  # fmt: skip
    """A process opens a connection (Sysmon 3) from its own port."""
    host.log.write(SYSMON, 3, time, {
        **_by(time, process), **_user(process), "Protocol": protocol, "Initiated": "true",
        "SourceIsIpv6": "false", "SourceIp": host.ip, "SourceHostname": host.fqdn,
        "SourcePort": str(port), "SourcePortName": "-", "DestinationIsIpv6": "false",
        "DestinationIp": there[0], "DestinationHostname": name, "DestinationPort": str(there[1]),
        "DestinationPortName": _PORT_NAMES.get(there[1], "-"),
    }, 3020)  # fmt: skip


def query(host: WindowsHost, time: float, process: Process, name: str, answers: str) -> None:
    """A process looks a name up (Sysmon 22); no answers mean that there is no such name."""
    host.log.write(SYSMON, 22, time, {
        **_by(time, process), **_user(process), "QueryName": name,
        "QueryStatus": "0" if answers else "9003", "QueryResults": answers or "-",
    }, 3020)  # fmt: skip


def write_file(host: WindowsHost, time: float, process: Process, path: str) -> None:
    """A process creates a file (Sysmon 11)."""
    host.log.write(SYSMON, 11, time, {
        **_by(time, process), **_user(process), "TargetFilename": path,
        "CreationUtcTime": sysmon_time(time),
    }, 3020)  # fmt: skip


def delete_file(host: WindowsHost, time: float, process: Process, path: str) -> None:
    """A process deletes a file (Sysmon 23)."""
    host.log.write(SYSMON, 23, time, {
        **_by(time, process), **_user(process), "TargetFilename": path,
        "Hashes": hashes(path, "1"), "IsExecutable": "false", "Archived": "true",
    }, 3020)  # fmt: skip


def set_value(
    host: WindowsHost, time: float, process: Process, key: str, details: str = "DWORD (0x00000001)"
) -> None:
    """A process sets a registry value (Sysmon 13)."""
    host.log.write(SYSMON, 13, time, {
        **_by(time, process), **_user(process), "EventType": "SetValue", "TargetObject": key,
        "Details": details,
    }, 3020)  # fmt: skip


def create_key(host: WindowsHost, time: float, process: Process, key: str) -> None:
    """A process creates a registry key (Sysmon 12)."""
    host.log.write(SYSMON, 12, time, {
        **_by(time, process), **_user(process), "EventType": "CreateKey", "TargetObject": key,
    }, 3020)  # fmt: skip


def open_process(
    host: WindowsHost, time: float, process: Process, target: Process, access: str,
    trace: str = "",
) -> None:  # fmt: skip
    """A process opens another (Sysmon 10)."""
    usual = "C:\\Windows\\SYSTEM32\\ntdll.dll+9d5a4|C:\\Windows\\System32\\KERNELBASE.dll+2c13e"
    host.log.write(SYSMON, 10, time, {
        "RuleName": "-", "UtcTime": sysmon_time(time),
        "SourceProcessGUID": process.guid, "SourceProcessId": str(process.pid),
        "SourceThreadId": str(process.pid + 96), "SourceImage": process.image,
        "TargetProcessGUID": target.guid, "TargetProcessId": str(target.pid),
        "TargetImage": target.image, "GrantedAccess": access,
        "CallTrace": f"{usual}|{trace or process.image}+1f04e",
        "SourceUser": process.session.account.full, "TargetUser": target.session.account.full,
    }, 3020)  # fmt: skip


def inject(host: WindowsHost, time: float, process: Process, target: Process) -> None:
    """A process starts a thread in another (Sysmon 8)."""
    host.log.write(SYSMON, 8, time, {
        "RuleName": "-", "UtcTime": sysmon_time(time),
        "SourceProcessGuid": process.guid, "SourceProcessId": str(process.pid),
        "SourceImage": process.image, "TargetProcessGuid": target.guid,
        "TargetProcessId": str(target.pid), "TargetImage": target.image,
        "NewThreadId": str(host.dice.randrange(2000, 9000)),
        "StartAddress": f"0x00000{host.dice.hex(11).upper()}", "StartModule": "-",
        "StartFunction": "-", "SourceUser": process.session.account.full,
        "TargetUser": target.session.account.full,
    }, 3020)  # fmt: skip


def pipe(host: WindowsHost, time: float, process: Process, name: str, *, made: bool = True) -> None:
    """A process creates a named pipe (Sysmon 17) or connects to one (18)."""
    host.log.write(SYSMON, 17 if made else 18, time, {
        **_by(time, process), **_user(process), "PipeName": name,
        "EventType": "CreatePipe" if made else "ConnectPipe",
    }, 3020)  # fmt: skip


def script(host: WindowsHost, time: float, process: Process, text: str, path: str = "") -> None:
    """PowerShell runs a block of script (4104)."""
    host.log.write(POWERSHELL, 4104, time, {
        "MessageNumber": "1", "MessageTotal": "1", "ScriptBlockText": text,
        "ScriptBlockId": host.dice.guid().lower(), "Path": path,
    }, process.pid)  # fmt: skip


def install_service(
    host: WindowsHost, time: float, name: str, path: str, account: str = "LocalSystem",
    start: str = "demand start",
) -> None:  # fmt: skip
    """A service is installed (System 7045) and its key appears (Sysmon 13)."""
    host.log.write(SYSTEM, 7045, time, {
        "ServiceName": name, "ImagePath": path, "ServiceType": "user mode service",
        "StartType": start, "AccountName": account,
    }, 684)  # fmt: skip
    key = f"HKLM\\System\\CurrentControlSet\\Services\\{name}"
    services = host.running["services"]
    set_value(host, time + 0.01, services, key + "\\Start", "DWORD (0x00000003)")
    set_value(host, time + 0.01, services, key + "\\ImagePath", path)


def service_state(host: WindowsHost, time: float, name: str, state: str) -> None:
    """A service starts or stops (System 7036)."""
    data = {"param1": name, "param2": state, "Binary": "770075006100750073006500720076002F003400"}
    host.log.write(SYSTEM, 7036, time, data, 684)


def create_task(
    host: WindowsHost, time: float, session: Session, name: str, command: str, arguments: str = ""
) -> None:
    """A scheduled task is created (4698)."""
    content = (
        '<?xml version="1.0" encoding="UTF-16"?>\n<Task version="1.2" '
        'xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">\n<RegistrationInfo>'
        f"<Date>{iso(time)[:19]}</Date><Author>{session.account.full}</Author><URI>{name}</URI>"
        '</RegistrationInfo>\n<Actions Context="Author"><Exec><Command>'
        f"{command}</Command><Arguments>{arguments}</Arguments></Exec></Actions>\n</Task>"
    )
    host.log.write(SECURITY, 4698, time, {
        **subject(session), "TaskName": name, "TaskContent": content,
        "ClientProcessStartKey": str(host.dice.getrandbits(50)),
        "ClientProcessId": str(host.running["svchost"].pid), "ParentProcessId": "684",
        "RpcCallClientLocality": "0", "FQDN": host.fqdn,
    })  # fmt: skip


def explicit(
    host: WindowsHost, time: float, session: Session, account: Account, server: str, process: str
) -> None:
    """A log-on with other credentials (4648)."""
    host.log.write(SECURITY, 4648, time, {
        **subject(session), "LogonGuid": "{" + host.dice.guid() + "}",
        "TargetUserName": account.name, "TargetDomainName": account.domain,
        "TargetLogonGuid": "{00000000-0000-0000-0000-000000000000}",
        "TargetServerName": server, "TargetInfo": server, "ProcessId": hexadecimal(1272),
        "ProcessName": process, "IpAddress": "-", "IpPort": "-",
    }, 760)  # fmt: skip


def share_access(
    host: WindowsHost, time: float, session: Session, source: tuple[str, int], share: str,
    local: str, name: str = "", access: str = "%%4416",
) -> None:  # fmt: skip
    """A share is opened (5140) or, with a file's name, a file on it (5145)."""
    data = {
        **subject(session), "ObjectType": "File", "IpAddress": source[0],
        "IpPort": str(source[1]), "ShareName": f"\\\\*\\{share}",
        "ShareLocalPath": "" if share == "IPC$" else f"\\??\\{local}",
    }  # fmt: skip
    mask = {"%%4416": "0x1", "%%4417": "0x2", "%%1537": "0x10000"}.get(access, "0x1")
    if name:
        data["RelativeTargetName"] = name
    data |= {"AccessMask": mask, "AccessList": f"{access}\n\t\t\t\t"}
    if name:
        data["AccessReason"] = "-"
    host.log.write(SECURITY, 5145 if name else 5140, time, data)


def clear_log(host: WindowsHost, time: float, session: Session) -> None:
    """The Security log is cleared (1102)."""
    host.log.write(EVENTLOG, 1102, time, subject(session), 1188)
