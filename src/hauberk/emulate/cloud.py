"""The company's AWS account, as CloudTrail records it."""

from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from .dice import Dice
from .logs import Logs
from .times import iso_seconds

_READS = ("Get", "List", "Describe", "Head", "Lookup")


@dataclass(frozen=True, slots=True)
class Principal:
    """Who calls: a user with a key (AKIA), or a role's session (ASIA)."""

    kind: str  # IAMUser, AssumedRole, AWSService
    name: str  # user or role
    uid: str
    key: str = ""
    session: str = ""  # name of the role's session


class Cloud:
    """One account and its trail."""

    def __init__(self, dice: Dice, logs: Logs, name: str) -> None:
        self.account = "".join(dice.choices("0123456789", k=12))
        self.region = dice.choice(("eu-central-1", "eu-west-1", "us-east-1"))
        self.company = name
        self._dice = dice
        self._logs = logs

    def user(self, name: str) -> Principal:
        """A user with an access key."""
        unique = self._dice.token(16).upper()
        return Principal("IAMUser", name, "AIDA" + unique, "AKIA" + self._dice.token(16).upper())

    def role(self, name: str, session: str) -> Principal:
        """A session of a role."""
        unique = self._dice.token(16).upper()
        key = "ASIA" + self._dice.token(16).upper()
        return Principal("AssumedRole", name, "AROA" + unique, key, session)

    def arn(self, service: str, resource: str) -> str:
        """The name of a resource of this account."""
        return f"arn:aws:{service}::{self.account}:{resource}"

    def _identity(self, who: Principal, time: float) -> dict[str, object]:
        if who.kind == "AWSService":
            return {"type": "AWSService", "invokedBy": who.name}
        if who.kind == "IAMUser":
            found: dict[str, object] = {
                "type": "IAMUser", "principalId": who.uid,
                "arn": self.arn("iam", f"user/{who.name}"), "accountId": self.account,
                "accessKeyId": who.key, "userName": who.name,
            }  # fmt: skip
            return found
        return {
            "type": "AssumedRole", "principalId": f"{who.uid}:{who.session}",
            "arn": self.arn("sts", f"assumed-role/{who.name}/{who.session}"),
            "accountId": self.account, "accessKeyId": who.key,
            "sessionContext": {
                "sessionIssuer": {
                    "type": "Role", "principalId": who.uid,
                    "arn": self.arn("iam", f"role/{who.name}"), "accountId": self.account,
                    "userName": who.name,
                },
                "attributes": {
                    "creationDate": iso_seconds(time // 3600 * 3600), "mfaAuthenticated": "false",
                },
            },
        }  # fmt: skip

    def call(
        self, time: float, who: Principal, service: str, operation: str, source: str, agent: str,
        asked: Mapping[str, object] | None = None, answer: Mapping[str, object] | None = None,
        error: str = "", region: str = "",
    ) -> None:  # fmt: skip
        """One call of an operation of a service (`s3`, `iam` ...) from an address."""
        dice = self._dice
        where = region or self.region
        record: dict[str, object] = {
            "eventVersion": "1.11", "userIdentity": self._identity(who, time),
            "eventTime": iso_seconds(time), "eventSource": f"{service}.amazonaws.com",
            "eventName": operation, "awsRegion": where, "sourceIPAddress": source,
            "userAgent": agent, "requestParameters": asked, "responseElements": answer,
        }  # fmt: skip
        if error:
            record["errorCode"] = error
            record["errorMessage"] = (
                f"User: {who.name} is not authorized to perform: {service}:{operation}"
            )
        record |= {
            "requestID": dice.guid().lower(), "eventID": dice.guid().lower(),
            "readOnly": operation.startswith(_READS), "eventType": "AwsApiCall",
            "managementEvent": operation not in {"GetObject", "PutObject", "DeleteObject"},
            "recipientAccountId": self.account, "eventCategory": "Management",
        }  # fmt: skip
        self._logs.put_cloud(self.account, where, time, orjson.dumps(record))

    def console(
        self, time: float, who: Principal, source: str, agent: str, *, good: bool = True,
        mfa: bool = True,
    ) -> None:  # fmt: skip
        """Somebody signs in to the console."""
        dice = self._dice
        record = {
            "eventVersion": "1.11", "userIdentity": self._identity(who, time),
            "eventTime": iso_seconds(time), "eventSource": "signin.amazonaws.com",
            "eventName": "ConsoleLogin", "awsRegion": self.region, "sourceIPAddress": source,
            "userAgent": agent, "requestParameters": None,
            "responseElements": {"ConsoleLogin": "Success" if good else "Failure"},
            "additionalEventData": {
                "LoginTo": "https://console.aws.example/console/home", "MobileVersion": "No",
                "MFAUsed": "Yes" if good and mfa else "No",
            },
            "eventID": dice.guid().lower(), "readOnly": False, "eventType": "AwsConsoleSignIn",
            "managementEvent": True, "recipientAccountId": self.account,
            "eventCategory": "Management",
        }  # fmt: skip
        if not good:
            record["errorMessage"] = "Failed authentication"
        self._logs.put_cloud(self.account, self.region, time, orjson.dumps(record))
