"""The domain controller: tickets, passwords and accounts."""

from .accounts import Account, Session
from .company import Company
from .times import us_time
from .windows_deeds import subject
from .windows_host import WindowsHost
from .windows_log import SECURITY

_TICKET_LIVES = 9 * 3600.0
_AES, _RC4 = "0x12", "0x17"


def granting_ticket(
    company: Company, time: float, account: Account, ip: str, error: str = "", cipher: str = _AES
) -> None:
    """A ticket-granting ticket is asked for (4768); with an error, it is refused (4771)."""
    dc = company.windows["dc01"]
    said = {"0x18": "KDC_ERR_PREAUTH_FAILED", "0x6": "KDC_ERR_C_PRINCIPAL_UNKNOWN",
            "0x12": "KDC_ERR_CLIENT_REVOKED"}.get(error, "-")  # fmt: skip
    realm = company.domain.upper()
    client = f"{account.name}/{realm}"
    company.sensor.kerberos(time, ip, dc.ip, client, f"krbtgt/{realm}", said)
    shared = {"TargetUserName": account.name, "ServiceName": "krbtgt", "Status": error or "0x0",
              "TicketOptions": "0x40810010", "PreAuthType": "2", "IpAddress": f"::ffff:{ip}",
              "IpPort": str(dc.dice.randrange(49200, 65500)), "CertIssuerName": "",
              "CertSerialNumber": "", "CertThumbprint": ""}  # fmt: skip
    if error == "0x18":
        data = {**shared, "TargetSid": account.sid, "ServiceName": f"krbtgt/{realm}"}
        dc.log.write(SECURITY, 4771, time + 0.003, data, 760)
        return
    dc.log.write(SECURITY, 4768, time + 0.003, {
        **shared, "TargetDomainName": company.netbios,
        "TargetSid": "S-1-0-0" if error else account.sid,
        "ServiceSid": "S-1-0-0" if error else account.sid.rsplit("-", 1)[0] + "-502",
        "TicketEncryptionType": "0xffffffff" if error else cipher,
    }, 760)  # fmt: skip


def service_ticket(
    company: Company, time: float, source: WindowsHost, account: Account, server: WindowsHost,
    service: str = "cifs", *, cipher: str = _AES, owner: Account | None = None,
) -> None:  # fmt: skip
    """A ticket for a service (4769), unless the host has one; `owner` runs the service."""
    name = f"{service}/{server.fqdn}"
    key = (account.name, name if cipher == _AES else name + cipher)
    if source.tickets.get(key, 0.0) + _TICKET_LIVES > time:
        return
    source.tickets[key] = time
    dc = company.windows["dc01"]
    kind = "aes256-cts-hmac-sha1-96" if cipher == _AES else "rc4-hmac"
    realm = company.domain.upper()
    company.sensor.kerberos(time, source.ip, dc.ip, f"{account.name}/{realm}", name, cipher=kind)
    whose = owner or server.machine
    dc.log.write(SECURITY, 4769, time + 0.003, {
        "TargetUserName": f"{account.name}@{realm}", "TargetDomainName": realm,
        "ServiceName": whose.name, "ServiceSid": whose.sid, "TicketOptions": "0x40810000",
        "TicketEncryptionType": cipher, "IpAddress": f"::ffff:{source.ip}",
        "IpPort": str(dc.dice.randrange(49200, 65500)), "Status": "0x0",
        "LogonGuid": "{" + dc.dice.guid() + "}", "TransmittedServices": "-",
    }, 760)  # fmt: skip


def check_password(
    company: Company, time: float, account: Account, workstation: str, status: str = "0x0"
) -> None:
    """A password is checked by NTLM (4776)."""
    company.windows["dc01"].log.write(SECURITY, 4776, time, {
        "PackageName": "MICROSOFT_AUTHENTICATION_PACKAGE_V1_0", "TargetUserName": account.name,
        "Workstation": workstation, "Status": status,
    }, 760)  # fmt: skip


def change_account(
    company: Company, time: float, by: Session, account: Account, event: int
) -> None:
    """An account is created (4720), enabled (4722), its password set (4724), changed (4738) ..."""
    data = {
        "TargetUserName": account.name, "TargetDomainName": account.domain,
        "TargetSid": account.sid, **subject(by), "PrivilegeList": "-",
    }  # fmt: skip
    if event == 4720:
        data |= {
            "SamAccountName": account.name,
            "DisplayName": account.name,
            "UserPrincipalName": f"{account.name}@{company.domain}",
            "PrimaryGroupId": "513",
            "OldUacValue": "0x0",
            "NewUacValue": "0x15",
        }
    elif event == 4738:
        # What stays as it was is a dash.
        names = ("Dummy", "SamAccountName", "DisplayName", "UserPrincipalName", "HomeDirectory",
                 "PrimaryGroupId", "OldUacValue", "NewUacValue", "UserAccountControl")  # fmt: skip
        data |= dict.fromkeys(names, "-") | {"PasswordLastSet": us_time(time)}
    company.windows["dc01"].log.write(SECURITY, event, time, data, 760)


def join_group(
    company: Company, time: float, by: Session, account: Account, group: str, *, admins: bool
) -> None:
    """An account becomes a member of a global group (4728)."""
    unit = "CN=Users" if admins else "OU=Staff"
    parts = ",".join(f"DC={part}" for part in company.domain.split("."))
    company.windows["dc01"].log.write(SECURITY, 4728, time, {
        "MemberName": f"CN={account.name},{unit},{parts}", "MemberSid": account.sid,
        "TargetUserName": group, "TargetDomainName": company.netbios,
        "TargetSid": account.sid.rsplit("-", 1)[0] + ("-512" if admins else "-1150"),
        **subject(by), "PrivilegeList": "-",
    }, 760)  # fmt: skip
