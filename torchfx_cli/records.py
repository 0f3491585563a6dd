"""`dataclass` as in `dataclasses`, for a tenth of its time at import.

The original writes and compiles up to six methods a class, half a millisecond each time the program starts; for the
hundred records of a short run that was a quarter of its time. Here the methods are closures over the fields. A record
is the same otherwise (`fields`, `replace`, `asdict`, `match`, copies), and either kind may inherit from the other.
What is asked for beyond `OPTIONS` is left to the original.
"""

from __future__ import annotations

import dataclasses
from functools import partial

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from dataclasses import dataclass as dataclass
    from typing import Any

    Fields = Sequence[dataclasses.Field[Any]]
else:
    def dataclass(cls=None, /, **options):
        """See `dataclasses.dataclass`."""
        if cls is None:
            return partial(dataclass, **options)
        if options.keys() <= OPTIONS and not any(map(_is_frozen_original, cls.__mro__[1:])):
            return _closed(cls, **options)
        return dataclasses.dataclass(cls, **options)

OPTIONS = {"frozen", "eq", "kw_only"}
_MISSING = dataclasses.MISSING
_LOOKED_FOR = ("ClassVar", "InitVar", "KW_ONLY")


class _Params:
    """What the original asks bases for, lest frozen and other ones are mixed."""

    def __init__(self, frozen: bool) -> None:
        self.frozen = frozen


_FROZEN, _FREE = _Params(True), _Params(False)


def _is_frozen_original(base: type) -> bool:
    params = vars(base).get("__dataclass_params__", _FREE)
    return params is not _FROZEN and bool(params.frozen)


def _closed(cls: Any, frozen: bool = False, eq: bool = True, kw_only: bool = False) -> Any:
    cls.__doc__ = cls.__doc__ or cls.__name__  # else the original works out a signature
    _FROZEN.frozen = False  # else it would want to write the methods of a frozen one
    hidden = _hide_annotations(cls)
    try:
        dataclasses.dataclass(init=False, repr=False, eq=False, kw_only=kw_only)(cls)
    finally:
        _FROZEN.frozen = True
        if hidden:
            cls.__annotations__ = hidden
    for name, annotation in hidden.items():
        cls.__dataclass_fields__[name].type = annotation
    cls.__dataclass_params__ = _FROZEN if frozen else _FREE
    fields = dataclasses.fields(cls)
    compared = [field for field in fields if field.compare]
    methods = [_init(cls, fields), _repr(fields)]
    if eq:
        methods.append(_eq(compared))
        if vars(cls).get("__hash__") is None:  # which Python sets beside an __eq__
            cls.__hash__ = _hash([field for field in compared if field.hash is not False]) if frozen else None
    if frozen:
        methods += _refusals(cls, fields)
    for method in methods:
        name = method.__name__
        if name not in vars(cls):
            method.__qualname__ = f"{cls.__qualname__}.{name}"
            setattr(cls, name, method)
    return cls


def _hide_annotations(cls: Any) -> dict[str, Any]:
    """The original looks into each that is text for names of its own, three times: where there are none, spare it that.

    Returns what they were, to be put back.
    """
    written = vars(cls).get("__annotations__", {})
    if not written or any(word in str(text) for text in written.values() for word in _LOOKED_FOR):
        return {}
    cls.__annotations__ = dict.fromkeys(written, object)
    return dict(written)


def _init(cls: Any, fields: Fields) -> Callable[..., None]:
    taken = {field.name: None for field in fields if field.init}
    by_place = [field.name for field in fields if field.init and not field.kw_only]
    defaults = {field.name: field.default for field in fields if field.default is not _MISSING}
    makers = [(field.name, field.default_factory) for field in fields if field.default_factory is not _MISSING]
    needed = taken.keys() - defaults.keys() - dict(makers).keys()
    is_finished = hasattr(cls, "__post_init__")

    def __init__(self: Any, /, *values: Any, **named: Any) -> None:
        kept = self.__dict__
        kept.update(defaults)
        if values:
            kept.update(zip(by_place, values, strict=False))
            if len(values) > len(by_place) or named.keys() & by_place[:len(values)]:
                raise TypeError(f"{cls.__name__}() takes {', '.join(taken)}, each once; got {len(values)} values "
                                f"and {', '.join(named)}")
        if named:
            kept.update(named)
            if not named.keys() <= taken.keys():
                raise TypeError(f"{cls.__name__}() got an unexpected keyword argument "
                                f"{min(named.keys() - taken.keys())!r}")
        if not needed <= kept.keys():
            raise TypeError(f"{cls.__name__}() is missing {', '.join(sorted(needed - kept.keys()))}")
        for name, make in makers:
            if name not in kept:
                kept[name] = make()
        if is_finished:
            self.__post_init__()

    return __init__


def _repr(fields: Fields) -> Callable[[Any], str]:
    shown = [field.name for field in fields if field.repr]

    def __repr__(self: Any) -> str:
        return f"{type(self).__qualname__}({', '.join(f'{name}={getattr(self, name)!r}' for name in shown)})"

    return __repr__


def _eq(fields: Fields) -> Callable[[Any, Any], bool]:
    names = [field.name for field in fields]

    def __eq__(self: Any, other: Any) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        return [getattr(self, name) for name in names] == [getattr(other, name) for name in names]

    return __eq__


def _hash(fields: Fields) -> Callable[[Any], int]:
    names = [field.name for field in fields]

    def __hash__(self: Any) -> int:
        return hash(tuple([getattr(self, name) for name in names]))

    return __hash__


def _refusals(cls: Any, fields: Fields) -> list[Callable[..., None]]:
    names = {field.name for field in fields}

    def __setattr__(self: Any, name: str, value: Any) -> None:
        if type(self) is cls or name in names:
            raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")
        super(cls, self).__setattr__(name, value)

    def __delattr__(self: Any, name: str) -> None:
        if type(self) is cls or name in names:
            raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")
        super(cls, self).__delattr__(name)

    return [__setattr__, __delattr__]
