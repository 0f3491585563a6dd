"""Records are what the dataclasses of the standard library are."""

from __future__ import annotations

import dataclasses
import pickle
from dataclasses import FrozenInstanceError, field

import pytest

from torchfx_cli import records


@records.dataclass(frozen=True)
class Point:
    x: float
    y: float = 2.0
    names: list[str] = field(default_factory=list, compare=False)


@records.dataclass(frozen=True, kw_only=True)
class Named(Point):
    name: str

    def __post_init__(self) -> None:
        if not self.name:
            raise ValueError("no name")


@dataclasses.dataclass(frozen=True)
class Original(Point):
    z: float = 3.0


@records.dataclass(frozen=True)
class Behind(Original):
    w: float = 4.0


@records.dataclass
class Loose:
    x: float
    inner: float = field(init=False, default=1.0)
    y: float = 0.0


def test_values_are_taken_by_place_and_by_name_and_else_the_defaults() -> None:
    assert vars(Point(1.0)) == {"x": 1.0, "y": 2.0, "names": []}
    assert Point(1.0).names is not Point(1.0).names
    assert vars(Named(1.0, 5.0, name="n")) == {"x": 1.0, "y": 5.0, "names": [], "name": "n"}
    assert vars(Loose(1.0, 2.0)) == {"x": 1.0, "y": 2.0, "inner": 1.0}


@pytest.mark.parametrize("call", [
    lambda: Point(),
    lambda: Point(1.0, 2.0, [], 4.0),
    lambda: Point(1.0, x=1.0),
    lambda: Point(1.0, z=1.0),
    lambda: Loose(1.0, inner=1.0),
    lambda: Named(1.0, 2.0, [], "n"),
])  # fmt: skip
def test_a_wrong_call_is_refused(call: object) -> None:
    with pytest.raises(TypeError, match=r"^(Point|Loose|Named)\("):
        call()  # type: ignore[operator]


def test_it_is_equal_by_what_is_compared_and_then_has_one_hash() -> None:
    assert Point(1.0, names=["a"]) == Point(1.0) != Point(2.0)
    assert hash(Point(1.0, names=["a"])) == hash(Point(1.0)) == hash((1.0, 2.0))
    assert Point(1.0) != Original(1.0)
    assert Loose.__hash__ is None


def test_a_frozen_one_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        Point(1.0).x = 2.0  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        del Point(1.0).x
    with pytest.raises(FrozenInstanceError):
        Named(1.0, name="n").x = 2.0  # type: ignore[misc]
    loose = Loose(1.0)
    loose.x = 2.0
    assert loose.x == 2.0


def test_what_dataclasses_offer_works_on_it() -> None:
    point = Named(1.0, name="n")
    assert dataclasses.replace(point, x=3.0) == Named(3.0, name="n")
    assert dataclasses.asdict(point) == {"x": 1.0, "y": 2.0, "names": [], "name": "n"}
    assert [f.name for f in dataclasses.fields(Named)] == ["x", "y", "names", "name"]
    assert repr(point) == "Named(x=1.0, y=2.0, names=[], name='n')"
    assert pickle.loads(pickle.dumps(point)) == point
    match Point(1.0, 7.0):
        case Point(x, y):
            assert (x, y) == (1.0, 7.0)
    with pytest.raises(ValueError, match="no name"):
        Named(1.0, name="")


def test_originals_inherit_from_it_and_it_from_originals() -> None:
    assert dataclasses.astuple(Original(1.0)) == (1.0, 2.0, [], 3.0)
    assert dataclasses.astuple(Behind(1.0)) == (1.0, 2.0, [], 3.0, 4.0)
    with pytest.raises(FrozenInstanceError):
        Original(1.0).x = 2.0  # type: ignore[misc]
    with pytest.raises(TypeError, match="frozen"):
        dataclasses.dataclass(type("Free", (Point,), {}))
