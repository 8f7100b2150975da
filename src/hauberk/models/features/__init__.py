"""What models see: features of mails, domain names, URLs and executables, on plain arrays."""

from hauberk.models.documents import Task

from .domain import DomainFeatures
from .executable import ExecutableFeatures, executable_row
from .interface import LoadedFeatures
from .mail import Mail, read_mail
from .mail_features import MailFeatures
from .matrix import Learned, Matrix, joined
from .url import UrlFeatures

FEATURES: dict[Task, type[LoadedFeatures]] = {
    Task.DOMAIN: DomainFeatures,
    Task.MAIL: MailFeatures,
    Task.URL: UrlFeatures,
    Task.EXECUTABLE: ExecutableFeatures,
}

__all__ = [
    "FEATURES",
    "DomainFeatures",
    "ExecutableFeatures",
    "Learned",
    "LoadedFeatures",
    "Mail",
    "MailFeatures",
    "Matrix",
    "UrlFeatures",
    "executable_row",
    "joined",
    "read_mail",
]
