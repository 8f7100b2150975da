"""A leaked key: an unusual caller looks around, settles in, blinds the trail and takes data."""

from collections.abc import Mapping

from hauberk.emulate.agenda import Actor
from hauberk.emulate.cloud import Principal
from hauberk.emulate.times import MINUTE

from .attack import Attack

_AGENTS = (
    "aws-cli/1.22.34 Python/3.10.12 Linux/6.1.0-kali9-amd64 botocore/1.27.84",
    "Boto3/1.26.90 Python/3.11.2 Linux/5.15.0 Botocore/1.29.90",
    "aws-sdk-go/1.44.200 (go1.20.4; linux; amd64)", "Python-urllib/3.11",
)  # fmt: skip
_ASKS = (
    ("sts", "GetCallerIdentity"), ("iam", "ListUsers"), ("iam", "ListRoles"),
    ("iam", "GetAccountAuthorizationDetails"), ("iam", "ListAttachedUserPolicies"),
    ("s3", "ListBuckets"), ("ec2", "DescribeInstances"), ("ec2", "DescribeSnapshots"),
    ("secretsmanager", "ListSecrets"), ("ssm", "DescribeParameters"),
    ("rds", "DescribeDBInstances"),
    ("iam", "SimulatePrincipalPolicy"), ("organizations", "DescribeOrganization"),
    ("guardduty", "ListDetectors"), ("cloudtrail", "DescribeTrails"), ("lambda", "ListFunctions"),
)  # fmt: skip
_REGIONS = ("ap-southeast-1", "sa-east-1", "ap-northeast-2", "us-west-1")


class _Caller:
    """The attacker's calls: from one address and agent, at a human's pace."""

    def __init__(self, attack: Attack) -> None:
        self.attack = attack
        self.source = attack.company.address(attack.site())
        self.agent = attack.dice.choice(_AGENTS)
        self.at = 0.0

    def call(
        self, who: Principal, service: str, operation: str,
        asked: Mapping[str, object] | None = None, answer: Mapping[str, object] | None = None,
        error: str = "", region: str = "", pause: float = 7.0,
    ) -> None:  # fmt: skip
        """One call, a while after the last."""
        self.at += self.attack.dice.around(pause, 0.9)
        self.attack.company.cloud.call(self.at, who, service, operation, self.source, self.agent,
                                       asked, answer, error, region)  # fmt: skip


def cloud_keys(attack: Attack) -> Actor:
    """Two hours or so, whenever it suits the attacker."""
    company, dice = attack.company, attack.dice
    at = attack.office_time(11, 20)
    caller = _Caller(attack)
    caller.at = at
    stolen = company.cloud.user(dice.choice(("ci-publisher", "backup-sync", "dev-tools")))
    # The key has an honest owner, who goes on using it.
    company.agenda.add(_owner(attack, stolen), company.start)
    yield at
    entities = {"users": [stolen.name], "ips": [caller.source], "keys": [stolen.key]}
    with attack.step(
        "ask-around", "discovery", ["T1078.004", "T1580", "T1087.004", "T1526", "T1069.003"],
        f"The key of {stolen.name} is used from {caller.source} to list what there is", **entities,
    ):  # fmt: skip
        for service, operation in dice.sample(_ASKS, dice.randrange(10, 15)):
            refused = "AccessDenied" if dice.chance(0.35) else ""
            caller.call(stolen, service, operation, error=refused)
        region = dice.choice(_REGIONS)
        caller.call(stolen, "ec2", "DescribeInstances", region=region)
    caller.at += dice.uniform(5, 30) * MINUTE
    yield caller.at
    helper = _settle(attack, caller, stolen)
    caller.at += dice.uniform(3, 20) * MINUTE
    yield caller.at
    trail = f"{company.name}-trail"
    with attack.step(
        "blind", "defense-evasion", ["T1562.008"], f"{helper.name} stops the trail {trail}",
        users=[helper.name], ips=[caller.source],
    ):  # fmt: skip
        how = dice.choice(("StopLogging", "PutEventSelectors", "DeleteTrail"))
        caller.call(helper, "cloudtrail", how, {"name": trail})
        if dice.chance(0.5):
            caller.call(helper, "guardduty", "DeleteDetector", {"detectorId": dice.hex(32)})
    caller.at += dice.uniform(2, 15) * MINUTE
    yield caller.at
    _take(attack, caller, helper)


def _owner(attack: Attack, who: Principal) -> Actor:
    """The program that the key was made for uploads files now and then."""
    company, dice = attack.company, attack.company.dice("key owner")
    agent = "Boto3/1.42.40 md/Botocore#1.42.40 ua/2.1 os/linux#6.8 lang/python#3.12.9"
    bucket = f"{company.name}-assets"
    at = company.start
    while True:
        at += dice.jittered(1800, 0.05)
        yield at
        for service, operation in (
            ("sts", "GetCallerIdentity"),
            ("s3", "ListObjects"),
            ("s3", "PutObject"),
        ):
            at += 0.7
            company.cloud.call(at, who, service, operation, company.gateway, agent,
                               {"bucketName": bucket} if service == "s3" else None)  # fmt: skip


def _settle(attack: Attack, caller: _Caller, stolen: Principal) -> Principal:
    """A user of the attacker's own, with a key and all rights."""
    company, dice = attack.company, attack.dice
    name = dice.choice(("svc-", "aws-", "sys-", "")) + attack.word()
    helper = company.cloud.user(name)
    with attack.step(
        "settle", "persistence", ["T1136.003", "T1098.001", "T1098.003"],
        f"A user {name} with a key and administrator's rights is created",
        users=[stolen.name, name], ips=[caller.source],
    ):  # fmt: skip
        asked = {"userName": name}
        caller.call(stolen, "iam", "CreateUser", asked, {"user": {"userName": name}})
        policy = "arn:aws:iam::aws:policy/AdministratorAccess"
        caller.call(stolen, "iam", "AttachUserPolicy", {**asked, "policyArn": policy})
        made = {"accessKey": {"accessKeyId": helper.key, "userName": name, "status": "Active"}}
        caller.call(stolen, "iam", "CreateAccessKey", asked, made)
        if dice.chance(0.5):
            caller.call(stolen, "iam", "CreateLoginProfile", asked)
        caller.call(helper, "sts", "GetCallerIdentity")
    return helper


def _take(attack: Attack, caller: _Caller, helper: Principal) -> None:
    company, dice = attack.company, attack.dice
    if dice.chance(0.6):
        bucket = f"{company.name}-{dice.choice(('backups', 'reports'))}"
        with attack.step(
            "take", "exfiltration", ["T1530", "T1619"], f"{helper.name} reads all of {bucket}",
            users=[helper.name], ips=[caller.source], buckets=[bucket],
        ):  # fmt: skip
            caller.call(helper, "s3", "ListObjects", {"bucketName": bucket})
            for _ in range(dice.randrange(150, 400)):
                key = f"{dice.choice(('daily', 'full', 'export'))}/{dice.hex(10)}.gz"
                caller.call(
                    helper, "s3", "GetObject", {"bucketName": bucket, "key": key}, pause=0.4
                )
        return
    snapshot = "snap-" + dice.hex(17)
    stranger = "".join(dice.choices("0123456789", k=12))
    with attack.step(
        "take", "exfiltration", ["T1537", "T1578.001"], f"{snapshot} is shared with {stranger}",
        users=[helper.name], ips=[caller.source], snapshots=[snapshot],
    ):  # fmt: skip
        caller.call(helper, "ec2", "CreateSnapshot", {"volumeId": "vol-" + dice.hex(17)})
        caller.call(helper, "ec2", "ModifySnapshotAttribute", {
            "snapshotId": snapshot, "attributeType": "CREATE_VOLUME_PERMISSION",
            "createVolumePermission": {"add": {"items": [{"userId": stranger}]}},
        })  # fmt: skip
