"""What a generated package offers, loaded when it is asked for."""

import sys
from collections.abc import Mapping
from importlib import import_module
from types import ModuleType
from typing import Any


def expose(package: str, exports: Mapping[str, tuple[str, str]]) -> None:
    """Lets the package have those names: each with the module below it and the attribute there that it stands for.

    A name is also the name of its module at times, as `pets_mcp` is. Then it is the attribute all the same: to Python,
    which binds a module to its package, the module is what `sys.modules` and `from package.pets_mcp import` know.
    """

    class Package(ModuleType):
        def __getattr__(self, name: str) -> Any:
            if name not in exports:
                raise AttributeError(f"module {package!r} has no attribute {name!r}")
            module, attribute = exports[name]
            value = getattr(import_module(f"{package}.{module}"), attribute)
            super().__setattr__(name, value)
            return value

        def __setattr__(self, name: str, value: Any) -> None:
            if isinstance(value, ModuleType) and name in exports:
                value = getattr(value, exports[name][1])
            super().__setattr__(name, value)

        def __dir__(self) -> list[str]:
            return sorted({*super().__dir__(), *exports})

    sys.modules[package].__class__ = Package
