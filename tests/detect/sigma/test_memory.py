"""Values remembered: bounded, by digest where long, not at all where they never repeat."""

from hauberk.detect.sigma.memory import LONGEST_KEPT, Budget, Signature, ValueMemory


def memory() -> tuple[ValueMemory, list[object]]:
    asked: list[object] = []

    def compute(value: object) -> Signature:
        asked.append(value)
        return Signature(frozenset({len(str(value))}), ())

    return ValueMemory(compute, Budget(1 << 20)), asked


def test_a_short_value_is_asked_about_once() -> None:
    held, asked = memory()
    assert held.signatures(["a", "b", "a", None, 5, "a"])[0].true == {1}
    assert asked == ["a", "b", None, 5]


def test_long_values_that_repeat_are_asked_about_once_and_not_kept() -> None:
    held, asked = memory()
    longs = [f"{number} " + "x" * LONGEST_KEPT for number in range(10)]
    for _ in range(60):
        held.signatures(longs)
    assert len(asked) == 10
    assert not any(isinstance(key, str) for key in held)


def test_long_values_that_never_repeat_are_no_longer_remembered() -> None:
    held, asked = memory()
    for number in range(2_000):
        text = f"{number} " + "x" * LONGEST_KEPT
        assert held.signatures([text])[0].true == {len(text)}
    assert len(asked) == 2_000
    assert len(held) < 1_000


def test_long_values_that_begin_to_repeat_are_remembered_again() -> None:
    held, asked = memory()
    for number in range(2_000):
        held.signatures([f"{number} " + "x" * LONGEST_KEPT])
    del asked[:]
    for _ in range(4_000):
        held.signatures(["y" * (LONGEST_KEPT + 1)])
    assert len(asked) < 2_500
    del asked[:]
    held.signatures(["y" * (LONGEST_KEPT + 1)] * 100)
    assert not asked
