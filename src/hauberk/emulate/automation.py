"""Cloud automation: roles that pipelines, functions and the provider's own services use."""

from .agenda import Actor
from .cloud import Principal
from .company import Company
from .times import DAY, HOUR, weekday

_BOTO = "Boto3/1.42.40 md/Botocore#1.42.40 ua/2.1 os/linux#6.8 lang/python#3.12.9"
_TERRAFORM = "APN/1.0 HashiCorp/1.0 Terraform/1.14.4 aws-sdk-go-v2/1.41.1"
_ROUTINES: dict[str, tuple[tuple[str, str], ...]] = {
    "ci-deploy": (("sts", "GetCallerIdentity"), ("ecr", "GetAuthorizationToken"),
                  ("ecr", "BatchGetImage"), ("ecs", "DescribeServices"), ("ecs", "UpdateService"),
                  ("s3", "PutObject"), ("cloudformation", "DescribeStacks"),
                  ("lambda", "UpdateFunctionCode20150331v2")),
    "nightly-report": (("s3", "ListObjects"), ("s3", "GetObject"), ("s3", "GetObject"),
                       ("s3", "PutObject"), ("athena", "StartQueryExecution")),
    "monitoring": (("cloudwatch", "GetMetricData"), ("ec2", "DescribeInstances"),
                   ("rds", "DescribeDBInstances"),
                   ("elasticloadbalancing", "DescribeLoadBalancers")),
    "app-server": (("s3", "GetObject"), ("s3", "PutObject"), ("secretsmanager", "GetSecretValue"),
                   ("sqs", "GetQueueAttributes"), ("kms", "Decrypt")),
    "terraform": (("sts", "GetCallerIdentity"), ("ec2", "DescribeVpcs"), ("iam", "GetRole"),
                  ("iam", "ListRolePolicies"), ("s3", "GetBucketPolicy"),
                  ("ec2", "DescribeSubnets"),
                  ("ec2", "CreateTags"), ("iam", "GetPolicy")),
}  # fmt: skip
_EVERY = {"ci-deploy": 3000.0, "nightly-report": DAY, "monitoring": 300.0, "app-server": 45.0,
          "terraform": 4 * HOUR}  # fmt: skip


def run_cloud(company: Company) -> Actor:
    """All automation, merged into one actor."""
    dice, cloud = company.dice("cloud automation"), company.cloud
    roles = {name: cloud.role(name, f"{name}-session") for name in _ROUTINES}
    config = Principal("AWSService", "config.amazonaws.com", "")
    due = {name: company.start + dice.uniform(0, every) for name, every in _EVERY.items()}
    due["nightly-report"] = company.start + 3.2 * HOUR
    buckets = [f"{company.name}-{part}" for part in ("assets", "reports", "backups", "logs")]
    inside = company.address("nat.aws.example")
    while True:
        name = min(due, key=lambda each: (due[each], each))
        at = due[name]
        yield at
        due[name] = at + (DAY if name == "nightly-report" else dice.often(_EVERY[name]))
        if name in {"ci-deploy", "terraform"} and (weekday(at) > 4 or not 8 < at % DAY / HOUR < 19):
            continue
        agent = _TERRAFORM if name == "terraform" else _BOTO
        routine = _ROUTINES[name]
        calls = [dice.choice(routine)] if name == "app-server" else routine
        when = at
        for service, operation in calls:
            when += dice.around(0.8)
            asked = {"bucketName": dice.zipf(buckets)} if service == "s3" else None
            source = company.gateway if name == "ci-deploy" else inside
            cloud.call(when, roles[name], service, operation, source, agent, asked)
        if dice.chance(0.02):
            cloud.call(when + 2, config, "sts", "AssumeRole", config.name, config.name)
