"""All detectors that are installed: the built-in ones and those that other packages bring."""

from importlib.metadata import entry_points

from hauberk.errors import HauberkError

from .interface import Detector

GROUP = "hauberk.detectors"


def detectors() -> list[Detector]:
    """One of each detector registered under the entry point group `hauberk.detectors`, by name.

    An entry point names a factory without parameters. Raises HauberkError where one cannot be
    loaded, or two detectors have one name.
    """
    found: dict[str, Detector] = {}
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        try:
            detector: Detector = entry.load()()
        except (ImportError, AttributeError, TypeError) as error:
            raise HauberkError(
                f"the detector cannot be loaded: {error}",
                where=f"{GROUP}: {entry.name} = {entry.value}",
                hint="Install the package that brings it again, or remove it",
            ) from error
        name = detector.spec.name
        if name in found:
            raise HauberkError(
                f"two detectors are called {name}",
                where=f"{GROUP}: {entry.name} = {entry.value}",
                hint="Remove one of the packages that bring them",
            )
        found[name] = detector
    return [found[name] for name in sorted(found)]
