"""What models see: features of mails, domain names, URLs and executables, on plain arrays."""

from hauberk.models.documents import Task

from .domain import DomainFeatures
from .interface import LoadedFeatures
from .matrix import Learned, Matrix, joined

FEATURES: dict[Task, type[LoadedFeatures]] = {Task.DOMAIN: DomainFeatures}

__all__ = ["FEATURES", "DomainFeatures", "Learned", "LoadedFeatures", "Matrix", "joined"]
