"""The methods that there are, by name."""

from __future__ import annotations

from tinyfoa_rt.errors import UsageError
from tinyfoa_rt.ir.learners import LEARNERS
from tinyfoa_rt.ir.options import AUTO
from tinyfoa_rt.ir.vocabulary import Vocabulary
from tinyfoa_rt.steps.methods.drtp import Drtp
from tinyfoa_rt.steps.methods.forward_forward import ForwardForward
from tinyfoa_rt.steps.methods.local_head import LocalHead
from tinyfoa_rt.steps.methods.method import Method
from tinyfoa_rt.steps.methods.own_loss import OwnLoss
from tinyfoa_rt.steps.methods.pepita import Pepita

__all__ = ["METHODS", "method_of", "register_method"]

METHODS: Vocabulary[Method] = Vocabulary("method", (LocalHead(), OwnLoss(), Drtp(), Pepita(), ForwardForward()))
register_method = METHODS.register


def method_of(name: str) -> Method:
    """Return the method of a name.

    Raises:
        UsageError: there is none; it names the learners too, which ``--method`` takes besides.
    """
    if name not in METHODS:
        raise UsageError(f"--method {name}", "is not known", f"use {', '.join((*LEARNERS, AUTO, *METHODS))}")
    return METHODS[name]
