"""Certificates that nobody vouches for, met on the Internet.

| measure | key | counts | nothing wrong |
|---|---|---|---|
| certificate | source, target, port, a day | handshakes with an odd one | see below / k^0.25 |

| certificate | P(met in a day, innocent) |
|---|---|
| signed by itself | 0.01 |
| signed by itself, and no name was asked for | 0.006 |
| its common name is a bare word, though a name of the Internet was asked for | 0.003 |

Devices and test servers sign for themselves, so little follows from one; what several sources meet
at the same place never weighs more than their share. Whoever answers for a name of the Internet has
a certificate with one, so a bare word there is what a program made up for itself.
Fingerprints of clients (JA3) are not judged: browsers shuffle what they are made of. With TLS 1.3
no sensor sees a certificate.
"""

import polars as pl

from hauberk.detect.interface import DetectorSpec, State
from hauberk.events import LATEST, EventBatch, EventClass, FindingKind

from .crowds import MAX_USERS, ORDINARY, users_after, with_crowds
from .flows import sided
from .measures import DOUBLING, Measure, Row, both, judged_measures, keyed
from .tally import power_law

COLUMNS = (
    "time", "metadata.uid", "activity_id", "device.hostname", "src_endpoint.ip",
    "dst_endpoint.ip", "dst_endpoint.port", "app_name", "tls.sni", "tls.certificate.subject",
    "tls.certificate.issuer",
)  # fmt: skip

SELF_SIGNED, SELF_SIGNED_UNASKED, BARE_WORD, UNSIDED = 0.01, 0.006, 0.003, 0.01

_PUBLIC_NAME = r"\.[a-zA-Z][a-zA-Z0-9-]*\.?$"
_COMMON_NAME = r"(?i)(?:^|[,/]\s*)CN\s*=\s*([^,/]*)"


def _odd(rows: pl.DataFrame) -> pl.DataFrame:
    outward = rows.filter(~pl.col("dst_in") & (pl.col("own") | pl.col("bare")))
    return keyed(outward, ["src", "dst", "port"], "port")


def _say(row: Row) -> tuple[str, str, tuple[str, ...]]:
    asked = f", asked for {str(row['name'])[:80]}," if row["name"] else ""
    how = "signed by itself" if row["own"] else "with a bare word for a name"
    text = (
        f"{row['dst']} port {row['port']}{asked} showed {row['src']} a certificate {how} "
        f"({str(row['subject'])[:80]})"
    )
    return "Certificate that nobody vouches for", text, ("T1573.002", "T1071.001")


MEASURES = (
    Measure(
        "certificate",
        _odd,
        "count",
        (1, *DOUBLING),
        pl.max_horizontal(
            pl.when("bare")
            .then(BARE_WORD)
            .when(pl.col("name").is_null())
            .then(SELF_SIGNED_UNASKED)
            .otherwise(SELF_SIGNED)
            * power_law(pl.col("count"), 1.0, 0.25),
            pl.when("src_in").then(0.0).otherwise(UNSIDED),
            ORDINARY,
        ),
        _say,
        both,
        sums=(),
    ),
)


class CertificateDetector:
    """Judges the certificates of servers on the Internet."""

    spec = DetectorSpec(
        name="network-certificates",
        version="1",
        kind=FindingKind.NETWORK,
        title="Certificates that nobody vouches for",
        columns={EventClass.NETWORK_ACTIVITY: COLUMNS},
    )

    def judge(self, batch: EventBatch, state: State) -> tuple[pl.DataFrame, State]:
        """Findings of this batch and the state after it."""
        rows = _handshakes(batch)
        users = users_after(_odd(rows), state)
        found, tables = judged_measures(
            MEASURES, {"": rows}, state, self.spec, lambda due: with_crowds(due, users)
        )
        return found, {**state, **tables, "users": users.tail(MAX_USERS)}


def detector() -> CertificateDetector:
    """The detector `network-certificates`."""
    return CertificateDetector()


def _handshakes(batch: EventBatch) -> pl.DataFrame:
    """TLS handshakes that showed a certificate, in time order.

    `own`: it is signed by itself; `bare`: its common name is a bare word, though a name with a dot
    was asked for.
    """
    raw = batch.events(EventClass.NETWORK_ACTIVITY, COLUMNS).filter(
        pl.col("tls.certificate.subject").is_not_null()
        & (pl.col("time") < LATEST)
        & pl.col("src_endpoint.ip").is_not_null()
        & pl.col("dst_endpoint.ip").is_not_null()
    )
    name = pl.col("tls.sni").str.strip_chars()
    subject = pl.col("tls.certificate.subject")
    common = subject.str.extract(_COMMON_NAME).str.strip_chars()
    bare = (common != "") & ~common.str.contains(r"[.:\s]") & name.str.contains(_PUBLIC_NAME)
    rows = raw.select(
        pl.col("time").dt.timestamp("us").alias("us"),
        pl.col("metadata.uid").alias("uid"),
        pl.col("device.hostname").alias("host"),
        pl.col("src_endpoint.ip").alias("src"),
        pl.lit(-1, pl.Int64).alias("sport"),
        pl.col("dst_endpoint.ip").alias("dst"),
        pl.col("dst_endpoint.port").fill_null(-1).alias("port"),
        pl.lit("tcp").alias("proto"),
        pl.when(name != "").then(name).alias("name"),
        subject.alias("subject"),
        (subject == pl.col("tls.certificate.issuer")).fill_null(value=False).alias("own"),
        bare.fill_null(value=False).alias("bare"),
    )
    return sided(rows.sort("us", "uid"))
