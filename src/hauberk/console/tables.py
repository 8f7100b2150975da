"""The console's own database, as SQLAlchemy tables: accounts, sessions, and what analysts do.

Times are microseconds since 1970 (UTC). `migrations/` makes these tables; a test holds both equal.
"""

from sqlalchemy import BigInteger, Column, Float, Index, Integer, MetaData, Table
from sqlalchemy import Text as _Text
from sqlalchemy.dialects.postgresql import TEXT

SCHEMA_REVISION = "0004"
"""The newest migration."""

# Ordered and compared by bytes, as SQLite does, whatever language a server was set up for.
Text = _Text().with_variant(TEXT(collation="C"), "postgresql")

metadata = MetaData()

# `ledger_position`: from where on the ledger may hold acts that are not yet marked as entered.
facts = Table(
    "facts", metadata, Column("key", Text, primary_key=True), Column("value", Text, nullable=False)
)

# `roles` is a JSON list; `totp` is sealed with a key that is not in here; `totp_step` is the last
# step whose code was taken, so that none is taken twice. `password` and `totp` are empty where
# single sign-on made the account.
accounts = Table(
    "accounts",
    metadata,
    Column("name", Text, primary_key=True),
    Column("roles", Text, nullable=False),
    Column("password", Text, nullable=False),
    Column("totp", Text, nullable=False),
    Column("totp_step", BigInteger, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("disabled", BigInteger),
)

# One-time links. `token` is a SHA-256. An empty `name` lets the person choose it (first run).
invitations = Table(
    "invitations",
    metadata,
    Column("token", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("roles", Text, nullable=False),
    Column("totp", Text, nullable=False),
    Column("expires", BigInteger, nullable=False),
)

# `token` and `previous` are SHA-256; `previous` is what the token was before it last changed.
# `means` is how it began: `password`, `passkey` or `oidc:NAME`.
sessions = Table(
    "sessions",
    metadata,
    Column("uid", Text, primary_key=True),
    Column("account", Text, nullable=False),
    Column("token", Text, nullable=False, unique=True),
    Column("previous", Text, unique=True),
    Column("rotated", BigInteger, nullable=False),
    Column("csrf", Text, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("seen", BigInteger, nullable=False),
    Column("address", Text, nullable=False),
    Column("means", Text),
    Index("sessions_by_account", "account"),
)

# What somebody's answer must fit, taken once. `token` is a SHA-256; `holder` says whose browser.
challenges = Table(
    "challenges",
    metadata,
    Column("token", Text, primary_key=True),
    Column("purpose", Text, nullable=False),
    Column("holder", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("expires", BigInteger, nullable=False),
    Index("challenges_by_address", "address"),
)

# `credential`, `public_key` and `handle` are base64url; `origin` is where it was registered.
passkeys = Table(
    "passkeys",
    metadata,
    Column("uid", Text, primary_key=True),
    Column("account", Text, nullable=False),
    Column("credential", Text, nullable=False, unique=True),
    Column("public_key", Text, nullable=False),
    Column("counter", BigInteger, nullable=False),
    Column("handle", Text, nullable=False),
    Column("origin", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("used", BigInteger),
    Index("passkeys_by_account", "account"),
)

# Who somebody is at a provider of single sign-on; `made` is 1 where it made the account.
identities = Table(
    "identities",
    metadata,
    Column("issuer", Text, primary_key=True),
    Column("subject", Text, primary_key=True),
    Column("account", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("made", BigInteger, nullable=False),
    Column("created", BigInteger, nullable=False),
    Index("identities_by_account", "account"),
)

# API tokens. `token` is a SHA-256; `scopes` a JSON list of permissions.
tokens = Table(
    "tokens",
    metadata,
    Column("uid", Text, primary_key=True),
    Column("account", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("token", Text, nullable=False, unique=True),
    Column("scopes", Text, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("expires", BigInteger, nullable=False),
    Column("used", BigInteger),
    Column("address", Text),
    Index("tokens_by_account", "account"),
)

failures = Table(
    "failures",
    metadata,
    Column("subject", Text, primary_key=True),
    Column("number", Integer, nullable=False),
    Column("last", BigInteger, nullable=False),
)

# Where an incident stands; one row for each that somebody has touched. `judged_findings` and
# `judged_odds` (log2) are what it had when it was judged, 0 where nobody did or nothing is known.
cases = Table(
    "cases",
    metadata,
    Column("incident", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("assignee", Text, nullable=False),
    Column("verdict", Text, nullable=False),
    Column("last_act", BigInteger, nullable=False),
    Column("judged_findings", BigInteger, nullable=False, server_default="0"),
    Column("judged_odds", Float, nullable=False, server_default="0"),
)

# Everything that anybody did, in order; `entered` once the home's ledger has it.
acts = Table(
    "acts",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("uid", Text, nullable=False, unique=True),
    Column("incident", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("entered", BigInteger),
    Index("acts_by_incident", "incident"),
    Index("acts_by_entered", "entered"),
)

# Questions that somebody saved for everybody who may hunt.
hunts = Table(
    "hunts",
    metadata,
    Column("uid", Text, primary_key=True),
    Column("title", Text, nullable=False),
    Column("sql", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
)
