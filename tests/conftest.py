"""What every test may ask for."""

import importlib.util
import tarfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from filelock import FileLock

from hauberk.store import Commit, Home

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Unpack a set of real telemetry by name; skip where the sets are not at hand."""
    # One unpacked copy serves all workers of a parallel run.
    root = tmp_path_factory.getbasetemp()
    if root.name.startswith("popen-"):
        root = root.parent

    def unpack(name: str) -> Path:
        archive = SHARED / f"{name}.tar.gz"
        if not archive.exists():
            pytest.skip(f"the data set {name} is not on this machine (looked for {archive.name})")
        target = root / "shared-data" / name
        with FileLock(root / f"{name}.lock"):
            if not target.exists():
                partial = target.with_suffix(".part")
                with tarfile.open(archive) as tar:
                    tar.extractall(partial, filter="data")
                partial.rename(target)
        return target / name

    return unpack


def _module(relative: str) -> ModuleType:
    """A module beside the tests, which are no package."""
    file = Path(__file__).parent / relative
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def full_commit() -> Callable[..., Commit]:
    """A commit by name that has some of everything (tests/store/commits.py)."""
    make: Callable[..., Commit] = _module("store/commits.py").full_commit
    return make


@pytest.fixture(scope="session")
def postgres() -> Iterator[Any]:
    """A PostgreSQL server (tests/postgresql_server.py); skips where none is installed."""
    pytest.importorskip("psycopg", reason="the extra `postgres` is not installed")
    servers = _module("postgresql_server.py")
    programs = servers.binaries()
    if programs is None:
        pytest.skip("no PostgreSQL server is installed (looked for initdb)")
    server = servers.PostgresServer(programs)
    yield server
    server.remove()


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Where homes that are made in this test have their records: once in each."""
    if request.param == "postgresql":
        server = request.getfixturevalue("postgres")
        monkeypatch.setenv("HAUBERK_DATABASE_URL", server.url(server.database()))
    return str(request.param)


@pytest.fixture
def home_path(tmp_path: Path) -> Path:
    """Where a home can be made."""
    return tmp_path / "home"


@pytest.fixture
def make_home(home_path: Path, full_commit: Callable[..., Commit]) -> Callable[..., Path]:
    """Make a home with full commits of these names."""

    def make(*names: str) -> Path:
        with Home.open(home_path) as home:
            for name in names:
                home.commit(full_commit(name))
        return home_path

    return make


@pytest.fixture(scope="session")
def tls_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a CA (ca.pem), and what it signed for loopback: NAME.pem, NAME.key.

    Names are server and client; stranger is signed by nobody but itself.
    """
    folder = tmp_path_factory.mktemp("tls")
    now = datetime.now(UTC)
    authority = ec.generate_private_key(ec.SECP256R1())
    for name in ("ca", "server", "client", "stranger"):
        key = authority if name == "ca" else ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        issuer = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "ca")])
        own = name in ("ca", "stranger")
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject if own else issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=name == "ca", path_length=None), critical=True)
            .add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]),
                critical=False,
            )
            .sign(key if own else authority, hashes.SHA256())
        )
        (folder / f"{name}.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (folder / f"{name}.key").write_bytes(private)
    return folder
