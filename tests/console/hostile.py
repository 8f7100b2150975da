"""A home whose telemetry carries payloads in every field of every format that is at hand."""

import gzip
import json
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from html.parser import HTMLParser
from pathlib import Path

from hauberk.emulate import emulate
from hauberk.pipeline import ScanOptions, scan
from hauberk.pipeline.rule_folders import FOLDER as RULES

CANARY = "kanarie"
"""A word of every payload, and the global variable that a script of one would set."""

PAYLOADS = (
    f"<script>window.{CANARY}=1</script>",
    f"\"'><img src=x onerror=window.{CANARY}=1>",
    f"</textarea></title></pre></table></svg><svg onload=window.{CANARY}=1>",
    f"<a href=//evil.example hx-get=/people hx-trigger=load>{CANARY}</a>",
    f"{{{{ 7 * 7 }}}}{{% raw %}}${{7*7}}#{{7*7}}<%= 7*7 %>{CANARY}",
    f"\x1b]0;{CANARY}\x07\u202egnp.exe\u2066\u200f\ufeff\u2028",
    f"%s%n%x%99999d{{0}}{{0.__class__}}{CANARY}",
    f"javascript:window.{CANARY}=1",
    f"data:text/html,<script>window.{CANARY}=1</script>",
    f"../../../../etc/passwd%00{CANARY}\r\nSet-Cookie: {CANARY}=1",
    f"=cmd|' /C {CANARY}'!A0",
    f"http://127.0.0.1:PORT/{CANARY}",
    f"{CANARY}" + "A\u0301" * 20_000,
    f"' OR 1=1; DROP TABLE events; -- {CANARY}",
)
"""What is tried. PORT is where a server listens that nobody has a reason to ask."""

_KEPT = re.compile(
    r"time|stamp|date|\bts\b|version|channel|event_?id|provider|eventsource|event_type|guid|record",
    re.IGNORECASE,
)
"""Names of fields by which a format is known or a record placed: they keep what they say too."""


def hostile_home(folder: Path, port: int = 9) -> Path:
    """Make the home, as a scan of hostile logs leaves it; `port` is that of the canary."""
    payloads = [one.replace("PORT", str(port)) for one in PAYLOADS]
    clean, logs, rules = folder / "clean", folder / "logs", folder / "rules"
    emulate(clean, seed=11, users=6, days=1, campaigns=["ransomware"])
    logs.mkdir()
    files = [one for one in sorted((clean / "logs").rglob("*")) if one.is_file()]
    kinds = Counter(file.parent.name for file in files)
    for number, file in enumerate(files):
        # Of CloudTrail's many files of an hour two will do.
        if (kinds[file.parent.name] < 20 or number < 2) and (lines := _hostile(file, payloads)):
            name = f"{number:02}-{payloads[number % len(payloads)][:60]}"
            safe = re.sub("[/\\x00]", "_", name)
            (logs / f"{safe}{file.name.removesuffix('.gz')[-24:]}").write_bytes(lines)
    for name, text in _OTHERS.items():
        (logs / name).write_bytes(_with_all(text, payloads))
    rules.mkdir()
    for number, product in enumerate(("windows", "linux", "zeek", "aws", "suricata")):
        (rules / f"{product}.yml").write_text(_rule(number, product, payloads[number]))
    scan(ScanOptions(paths=[logs], home=folder / "home", rules=[rules], budget=1000))
    shutil.copytree(rules, folder / "home" / RULES / "hostile")  # as if they were installed
    return folder / "home"


def _hostile(file: Path, payloads: Sequence[str]) -> bytes:
    data = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
    if data[:1] == b"{" and b"\n{" not in data[:100_000]:  # one document: CloudTrail
        records = json.loads(data)["Records"][: len(payloads)]
        made = [_poison(one, payloads[at % len(payloads)]) for at, one in enumerate(records)]
        return json.dumps({"Records": made}).encode()
    text = data.decode().splitlines()
    if data[:1] == b"{":
        return "".join(_json_lines(text, payloads)).encode("utf-8", "surrogatepass")
    if text[:1] and text[0].startswith("#separator"):
        return "".join(_zeek_lines(text, payloads)).encode()
    lines = [
        f"{line} {_one_line(payload)}\n{_every_word(line, _one_line(payload))}\n"
        for line, payload in zip(text, payloads, strict=False)
    ]
    return "".join(lines).encode()


def _json_lines(text: Sequence[str], payloads: Sequence[str]) -> Iterator[str]:
    kinds: Counter[str] = Counter()
    for line in text:
        record = json.loads(line)
        kind = str(sorted(_leaves(record, "event_id")) or sorted(record))
        kinds[kind] += 1
        if kinds[kind] <= 2:
            for payload in payloads[kinds[kind] % 2 :: 2]:
                yield json.dumps(_poison(record, payload)) + "\n"


def _leaves(value: object, name: str) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from ([str(inner)] if key.casefold() == name else _leaves(inner, name))


def _poison(value: object, payload: str, name: str = "") -> object:
    """The record with the payload behind every text that does not say what the record is."""
    if isinstance(value, dict):
        return {
            **{key: _poison(inner, payload, f"{name}.{key}") for key, inner in value.items()},
            **({f"{CANARY}": payload} if not name else {}),
        }
    if isinstance(value, list):
        return [_poison(inner, payload, name) for inner in value]
    kept = _KEPT.search(name.rpartition(".")[2]) or not isinstance(value, str)
    return value if kept else f"{value}{payload}"


def _zeek_lines(text: Sequence[str], payloads: Sequence[str]) -> Iterator[str]:
    types = next(one for one in text if one.startswith("#types")).split("\t")[1:]
    yield from (f"{one}\n" for one in text if one.startswith("#"))
    rows = [one for one in text if not one.startswith("#")]
    for row, payload in zip(rows * len(payloads), payloads, strict=False):
        escaped = re.sub(r"[^ -~]", lambda one: _hex(one[0]), payload.replace("\\", "\\x5c"))
        yield (
            "\t".join(
                f"{value}{escaped}" if "string" in kind else value
                for value, kind in zip(row.split("\t"), types, strict=True)
            )
            + "\n"
        )


def _hex(text: str) -> str:
    return "".join(f"\\x{one:02x}" for one in text.encode())


def _one_line(payload: str) -> str:
    return payload.replace("\r\n", " ")


def _every_word(line: str, payload: str) -> str:
    words = line.split(" ")
    return " ".join([*words[:4], *(f"{one}{payload[:200]}" for one in words[4:])])


_OTHERS = {
    "eve.json": json.dumps({
        "timestamp": "2026-03-02T12:00:00.25+0000", "event_type": "alert", "src_ip": "192.0.2.10",
        "src_port": 50123, "dest_ip": "198.51.100.7", "dest_port": 80, "proto": "TCP",
        "host": "@", "alert": {
            "action": "blocked", "gid": 1, "signature_id": 9000001, "rev": 2, "severity": 1,
            "signature": "Invented @", "category": "@",
            "metadata": {"mitre_technique_id": ["T1071@"]},
        },
        "http": {"hostname": "@", "url": "/@", "http_user_agent": "@", "http_refer": "@"},
    }),
    "cowrie.json": json.dumps({
        "timestamp": "2026-03-02T03:04:05.000001Z", "sensor": "trap@", "session": "s1@",
        "src_ip": "192.0.2.7", "eventid": "cowrie.command.input", "input": "wget @",
        "message": "CMD: wget @",
    }),
    "ocsf.json": json.dumps({
        "class_uid": 2004, "time": 1772450000123, "severity_id": 4, "activity_id": 1,
        "metadata": {"version": "1.8.0", "product": {"name": "EDR@", "vendor_name": "V@"}},
        "finding_info": {
            "uid": "f-1@", "title": "Theft @", "desc": "@", "types": ["TTP@"],
            "analytic": {"uid": "r-9@", "name": "Dump@"},
            "attacks": [{"technique": {"uid": "T1003@"}}],
        },
        "device": {"hostname": "ws01@"}, "resources": [{"uid": "@"}], "message": "@",
    }),
    "dns.json": json.dumps({
        "_path": "dns", "ts": 1772450000.5, "uid": "C1@", "id.orig_h": "192.0.2.1",
        "id.orig_p": 5353, "id.resp_h": "192.0.2.53", "id.resp_p": 53, "proto": "udp",
        "query": "www@.example.org", "qtype_name": "TXT", "rcode_name": "NOERROR",
        "answers": ["@", "192.0.2.9"],
    }),
    "junk.json": '{"unknown": "@"}',
    "junk.txt": "no format at all @",
}  # fmt: skip
"""Records of formats that the emulated company has none of; the payload goes where @ is."""

_MAIL = (
    "Received: from @ by mail.example.org; Tue, 05 Mar 2024 10:00:00 +0100\n"
    'From: "@" <a@example.net>\nReply-To: "@" <b@example.com>\nTo: "@" <bob@example.org>\n'
    "Subject: invoice @\nMessage-ID: <@>\nDate: Mon, 02 Mar 2026 10:00:00 +0000\n"
    'MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="xx"\n\n--xx\n'
    "Content-Type: text/html\n\n<p><a href='http://example.com/@'>@</a></p>\n--xx\n"
    'Content-Type: application/zip; name="@.zip"\nContent-Disposition: attachment; '
    'filename="@.exe"\n\nMZ not really\n--xx--\n'
)
_OTHERS["mail.mbox"] = (
    "From a@example.net Mon Mar  2 12:00:00 2026\n" + _MAIL.replace("@", "\0") + "\n"
)


def _with_all(text: str, payloads: Sequence[str]) -> bytes:
    lines = []
    for payload in payloads:
        if "\0" in text:
            filled = re.sub("\0(?=example)", "@", text)  # addresses keep their sign
            lines.append(filled.replace("\0", _one_line(payload)[:900]))
        elif text.startswith("{"):
            inside = json.dumps(payload)[1:-1]
            lines.append(text.replace("@", inside))
        else:
            lines.append(text.replace("@", _one_line(payload)))
    return "".join(f"{one}\n" for one in lines).encode()


def _rule(number: int, product: str, payload: str) -> str:
    said = json.dumps(payload)
    return (
        f"title: {said}\nid: 00000000-0000-4000-8000-00000000000{number}\nstatus: test\n"
        f"description: {said}\nauthor: {said}\nlevel: high\ntags: [attack.t1490, {said}]\n"
        f"falsepositives: [{said}]\nreferences: [{said}]\n"
        f"logsource: {{product: {product}}}\n"
        f"detection:\n  words: ['{CANARY}']\n  condition: words\n"
    )


class Markup(HTMLParser):
    """What a browser would make of a page: elements, attributes, and text."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str, str]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes.extend((tag, name, value or "") for name, value in attrs)

    def handle_data(self, data: str) -> None:
        self.text += data


_NEVER = ("img", "iframe", "style", "object", "embed", "base", "applet", "math", "foreignobject")
_DIRECTIONS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u200e\u200f]")


def inert(page: str, where: str) -> Markup:
    """Assert that nothing of a page is more than text which somebody else wrote."""
    read = Markup(page)
    scripts = [value for tag, name, value in read.attributes if (tag, name) == ("script", "src")]
    assert all(re.fullmatch(r"/static/[\w.]+/[\w.-]+\.js", one) for one in scripts), where
    assert read.tags["script"] == len(scripts), where
    assert not [one for one in _NEVER if read.tags[one]], where
    for tag, name, value in read.attributes:
        assert not name.startswith("on"), (where, tag, name, value)
        assert name != "style", (where, tag)
        assert name != "srcdoc", (where, tag)
        if name in {"href", "src", "action", "formaction"} or name.startswith("hx-get"):
            assert value.startswith(("/", "#")), (where, tag, name, value)
            assert not value.startswith(("//", "/\\")), (where, value)
        if name == "hx-get":
            assert value != "/people", where
    found = _DIRECTIONS.search(read.text)
    assert not found, (where, read.text[max(0, found.start() - 60) : found.end() + 20])
    return read


def shape(path: str) -> str:
    """An address with what names one thing put aside: pages of one kind have one shape."""
    plain = re.split(r"[?#]", path, maxsplit=1)[0]
    return re.sub(r"/[^/]*\d[^/]*|/[^/]{24,}", "/*", plain)


def walk(
    get: Callable[[str], tuple[int, str, str]], start: Sequence[str], of_each: int = 6
) -> dict[str, Markup]:
    """Pages that links lead to from `start`, at most so many of each shape, each found inert.

    `get` answers with status, content type and text of an address.
    """
    waiting, seen, taken = list(start), set[str](), Counter[str]()
    pages: dict[str, Markup] = {}
    while waiting:
        path = waiting.pop(0)
        if path in seen or taken[shape(path)] >= of_each:
            continue
        seen.add(path)
        taken[shape(path)] += 1
        status, kind, text = get(path)
        assert status == 200, (path, status)
        if "text/html" not in kind:
            continue
        pages[path] = inert(text, path)
        for tag, name, value in pages[path].attributes:
            if (tag, name) == ("a", "href") and value.startswith("/"):
                waiting.append(value)
    return pages
