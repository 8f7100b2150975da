from importlib.metadata import EntryPoint

import pytest

from hauberk.detect import known_detectors
from hauberk.detect.behaviour import logons
from hauberk.errors import HauberkError


def registered(monkeypatch, *values):
    entries = [
        EntryPoint(f"e{number}", value, known_detectors.GROUP)
        for number, value in enumerate(values)
    ]
    monkeypatch.setattr(known_detectors, "entry_points", lambda group: entries)


def test_registered_factories_are_called():
    names = [detector.spec.name for detector in known_detectors.detectors()]
    assert names == sorted(set(names))
    assert {"rarity-logon", "rarity-process", "rarity-cloud"} <= set(names)


def test_a_detector_that_cannot_be_loaded_is_an_error_that_names_it(monkeypatch):
    registered(monkeypatch, "no_such_package:detector")
    with pytest.raises(HauberkError, match="no_such_package"):
        known_detectors.detectors()


def test_two_detectors_of_one_name_are_an_error(monkeypatch):
    value = f"{logons.__name__}:detector"
    registered(monkeypatch, value, value)
    with pytest.raises(HauberkError, match="two detectors are called rarity-logon"):
        known_detectors.detectors()
