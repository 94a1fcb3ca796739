"""The optimizers: one row each, from which planning, steps, artifacts, generated C and trainers take what they need.

Another package adds one with :func:`register_optimizer`. Beside the row it needs the update operator: its signature, which
:func:`tinyfoa_rt.operators.updates.update_operator` makes from the row, and its function body (docs/extending.md). Where C99 is
to train with it, it keeps two states and one scalar at most, and its row names the kernels; states and step count come as a
``tfoa_moments`` where it has both, else what it keeps comes one by one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tinyfoa_rt.ir.vocabulary import Vocabulary

__all__ = ["OPTIMIZERS", "STEP_COUNT", "Optimizer", "optimizer_of", "register_optimizer", "registered_optimizer"]

STEP_COUNT = "step_count"


@dataclass(frozen=True)
class Optimizer:
    """What turns a gradient into a step.

    Attributes:
        name: as options, plans and artifacts have it.
        update: the operator of the domain that takes a step.
        states: what it keeps of each parameter: names of tensors of the parameter's shape, float32, which begin at 0.
        scalars: what it keeps of each parameter's slice as a whole: names of float32 numbers, which begin at 0.
        counts_steps: whether it counts the steps of each slice too, in an int32 that begins at 0.
        dense_step: an operator that is gradient and update of dense weights in one, so that no gradient is stored; empty where
            there is none.
        base_rate: what the rates of blocks are multiples of (builder/rates.py).
        follows_gradient: whether a step is as long as the gradient; else its length is the rate alone.
        follows_weights: whether rates are shares of the weights: the update takes an attribute ``length``, the deviation of a
            layer's weights at the start, in units of which its steps are.
        is_elementwise: whether the step of a weight depends on its own gradient and on what was kept before alone, so that
            weights may be updated a part at a time; the scalars of equal parts have those of the whole as their mean.
        formula: of a step, in words; ``g`` is the gradient.
        hyper_parameters: the constants of that formula, which function bodies and kernels repeat.
        kernels: the C99 kernels that take a step of weights and of biases; ``None`` where generated C cannot train with it.
    """

    name: str
    update: str
    base_rate: float
    formula: str
    states: tuple[str, ...] = ()
    scalars: tuple[str, ...] = ()
    counts_steps: bool = False
    dense_step: str = ""
    follows_gradient: bool = True
    follows_weights: bool = False
    is_elementwise: bool = False
    hyper_parameters: Mapping[str, float] = field(default_factory=dict)
    kernels: tuple[str, str] | None = None

    @property
    def kept(self) -> tuple[str, ...]:
        """All that it keeps of a parameter, in the order in which the update takes it."""
        return (*self.states, *self.scalars, *((STEP_COUNT,) if self.counts_steps else ()))


_ROWS = (
    Optimizer(
        name="sgd",
        update="SgdUpdate",
        base_rate=0.05,
        formula="w - rate g",
        dense_step="DenseSgdStep",
        kernels=("tfoa_weight_sgd_step", "tfoa_bias_sgd_step"),
    ),
    Optimizer(
        name="normalized",
        update="NormalizedUpdate",
        base_rate=0.005,
        formula="w - rate length clip(g / sqrt(power), reach), power the running mean of g^2 over the slice till the step before",
        scalars=("power",),
        counts_steps=True,
        follows_gradient=False,
        follows_weights=True,
        is_elementwise=True,
        hyper_parameters={"least_share": 1 / 256, "epsilon": 1e-12, "reach": 10},
        kernels=("tfoa_weight_normalized_step", "tfoa_bias_normalized_step"),
    ),
    Optimizer(
        name="momentum",
        update="MomentumUpdate",
        base_rate=0.005,
        formula="w - rate velocity, with velocity = decay velocity + g",
        states=("velocity",),
        is_elementwise=True,
        hyper_parameters={"decay": 0.9},
        kernels=("tfoa_weight_momentum_step", "tfoa_bias_momentum_step"),
    ),
    Optimizer(
        name="adam",
        update="AdamUpdate",
        base_rate=6e-5,
        formula="w - rate m / (sqrt(v) + epsilon), with running means m of g and v of g^2 corrected for their start at 0",
        states=("mean", "variance"),
        counts_steps=True,
        follows_gradient=False,
        is_elementwise=True,
        hyper_parameters={"decay_mean": 0.9, "decay_variance": 0.999, "epsilon": 1e-8},
        kernels=("tfoa_weight_adam_step", "tfoa_bias_adam_step"),
    ),
)

# By name, in the order in which options list them; the first needs least memory.
OPTIMIZERS = Vocabulary("optimizer", _ROWS)
register_optimizer, registered_optimizer, optimizer_of = OPTIMIZERS.register, OPTIMIZERS.registered, OPTIMIZERS.find
