"""Annotated shapes of arrays, checked at every call; `off` for what is traced by
`torch.compile`."""

from __future__ import annotations

import functools
import importlib
import inspect
import pkgutil
import sys
import types
import typing

from beartype import beartype
from jaxtyping import AbstractArray, jaxtyped

PACKAGES = ("wyner.math", "wyner.families", "wyner.networks", "wyner.objectives")


def has_shape(hint: object) -> bool:
    """Whether an annotation holds an array with a shape."""
    if isinstance(hint, type) and issubclass(hint, AbstractArray):
        return True
    return any(has_shape(a) for a in typing.get_args(hint))


def checked(function):
    """The function with its shapes checked, and nothing else: a list may stand for a tuple."""
    hints = {k: h for k, h in typing.get_type_hints(function).items() if has_shape(h)}
    plain = types.FunctionType(
        function.__code__,
        function.__globals__,
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    plain.__kwdefaults__, plain.__annotations__ = function.__kwdefaults__, hints
    return functools.wraps(function)(jaxtyped(plain, typechecker=beartype)) if hints else function


def found() -> list[types.ModuleType]:
    modules = [importlib.import_module(name) for name in PACKAGES]
    for package in [m for m in modules if hasattr(m, "__path__")]:
        names = pkgutil.iter_modules(package.__path__, f"{package.__name__}.")
        modules += [importlib.import_module(info.name) for info in names]
    return modules


def swap(pairs: dict) -> None:
    """Puts other functions in the place of some, wherever a module or class of wyner holds them."""
    modules = [m for name, m in sys.modules.items() if name.split(".")[0] == "wyner"]
    classes = {c for m in modules for c in vars(m).values() if inspect.isclass(c)}
    for holder in (*modules, *(c for c in classes if c.__module__.split(".")[0] == "wyner")):
        for name, value in list(vars(holder).items()):
            if inspect.isfunction(value) and value in pairs:
                setattr(holder, name, pairs[value])


@functools.cache
def pairs() -> dict:
    """Functions with annotated shapes, and what checks them."""
    own = {f for m in found() for f in functions(m)}
    return {f: c for f in own if (c := checked(f)) is not f}


def functions(module: types.ModuleType):
    for value in vars(module).values():
        if inspect.isfunction(value) and value.__module__ == module.__name__:
            yield value
        if inspect.isclass(value) and value.__module__ == module.__name__:
            yield from filter(inspect.isfunction, vars(value).values())


def on() -> None:
    swap(pairs())


def off() -> None:
    swap({c: f for f, c in pairs().items()})
