"""An optimizer from outside of the package: Lion (Chen et al. 2023, algorithm 2), without weight decay."""

from __future__ import annotations

from dataclasses import replace

from tinyfoa_rt.ir.optimizers import Optimizer
from tinyfoa_rt.operators import Operator
from tinyfoa_rt.operators.updates import update_operator

__all__ = ["LION", "LION_UPDATE"]

LION = Optimizer(
    name="lion",
    update="LionUpdate",
    base_rate=6e-5,
    formula="w - rate sign(0.9 mean + 0.1 g), with mean = 0.99 mean + 0.01 g",
    states=("mean",),
    follows_gradient=False,
    hyper_parameters={"decay": 0.9, "decay_mean": 0.99},
)

_BODY = """<domain: "tinyfoa", opset_import: ["" : 18, "tinyfoa" : 1]>
LionUpdate <limit: float = 1.0> (w, grad, rate, mean, origin) => (w_next, mean_next)
{
    decay = Constant <value: tensor = float decay {0.9}> ()
    share = Constant <value: tensor = float share {0.1}> ()
    kept = Mul (mean, decay)
    added = Mul (grad, share)
    looked_at = Add (kept, added)
    direction = Sign (looked_at)
    change = Mul (direction, rate)
    moved = Sub (w, change)
    w_next = ClipTo <limit: float = @limit> (moved)
    decay_mean = Constant <value: tensor = float decay_mean {0.99}> ()
    share_mean = Constant <value: tensor = float share_mean {0.01}> ()
    mean_kept = Mul (mean, decay_mean)
    mean_added = Mul (grad, share_mean)
    mean_next = Add (mean_kept, mean_added)
}
"""

LION_UPDATE: Operator = replace(update_operator(LION), body=_BODY)
