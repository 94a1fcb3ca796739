"""The methods that there are, by name."""

from __future__ import annotations

from tinyfoa_rt.errors import UsageError
from tinyfoa_rt.steps.methods.local_head import LocalHead
from tinyfoa_rt.steps.methods.method import Method
from tinyfoa_rt.steps.methods.own_loss import OwnLoss

__all__ = ["METHODS", "method_of", "register_method"]

METHODS: dict[str, Method] = {method.name: method for method in (LocalHead(), OwnLoss())}


def register_method(method: Method) -> None:
    """Add a method, for the rest of the process: options and recipes may name it.

    Raises:
        UsageError: there is one of its name.
    """
    if method.name in METHODS:
        raise UsageError(f"method {method.name}", "is there already", "give it another name")
    METHODS[method.name] = method


def method_of(name: str) -> Method:
    """Return the method that a recipe or an option names.

    Raises:
        UsageError: none of that name is registered.
    """
    if name not in METHODS:
        raise UsageError(f"--method {name}", "is not known", f"use {', '.join(METHODS)}")
    return METHODS[name]
