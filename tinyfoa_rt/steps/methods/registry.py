"""The methods that there are, by name."""

from __future__ import annotations

from tinyfoa_rt.ir.vocabulary import Vocabulary
from tinyfoa_rt.steps.methods.drtp import Drtp
from tinyfoa_rt.steps.methods.forward_forward import ForwardForward
from tinyfoa_rt.steps.methods.local_head import LocalHead
from tinyfoa_rt.steps.methods.method import Method
from tinyfoa_rt.steps.methods.own_loss import OwnLoss
from tinyfoa_rt.steps.methods.pepita import Pepita

__all__ = ["METHODS", "method_of", "register_method"]

METHODS: Vocabulary[Method] = Vocabulary(
    "method", (LocalHead(), OwnLoss(), Drtp(), Pepita(), ForwardForward()), asked_as="--method"
)
register_method, method_of = METHODS.register, METHODS.find
