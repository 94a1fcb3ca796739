"""Names of a step's own tensors, which no value of a model can have.

A name is ``OWNER#ROLE``. The owner is a layer, a block, a value of the model, or another tensor of the step (``fc1#w#next``);
what belongs to the step as a whole has none (``#rate``). The loader keeps the mark out of a model's own names
(:func:`unmarked`), so that no value, whatever a model calls it, can be taken for a tensor of the step.
"""

from __future__ import annotations

from collections.abc import Iterable

__all__ = [
    "AGAIN", "CLASS_WEIGHTS", "LABELS", "LOGITS", "LOSS", "MARK", "NEXT", "RATE", "SIZED", "STEP",
    "contribution", "gradient", "kept_by", "own", "parts", "quantum_of", "scale_of", "shift_of", "split", "statistics_of",
    "successor", "unmarked",
]  # fmt: skip

MARK = "#"
# What belongs to a step as a whole: the factor of its updates, what the model should have said, how far off it was, what the
# block says by itself, and how many steps have been taken before.
RATE, LABELS, LOSS, LOGITS, STEP = (f"{MARK}{role}" for role in ("rate", "target", "loss", "logits", "step"))
# What the loss of a sample is multiplied by, one number a class.
CLASS_WEIGHTS = f"{MARK}class_weights"
# The role of what a tensor becomes.
NEXT = "next"
# The role of what is computed a second time.
AGAIN = "again"
# The role of what is computed from the number of samples.
SIZED = "sized"


def own(owner: str, *roles: str) -> str:
    """The name of the tensor that is the last of ``roles`` to what the others name; the step itself has an empty name."""
    return MARK.join((owner, *roles))


def split(name: str) -> tuple[str, str]:
    """Return (owner, role) of a tensor; a value of the model is ``value`` to itself."""
    owner, mark, role = name.rpartition(MARK)
    return (owner, role) if mark else (name, "value")


def successor(name: str) -> str:
    """The name of what a tensor becomes in a step: both may share their bytes."""
    return own(name, NEXT)


def gradient(name: str) -> str:
    """The name of the gradient of the loss by a tensor."""
    return own(name, "grad")


def contribution(value: str, node: str, position: int = 0) -> str:
    """The name of the gradient of a value that comes back through a node, which may read it at more than one position."""
    return gradient(own(value, "by", node, *([str(position)] if position else [])))


def kept_by(block: str, name: str) -> str:
    """The name in the state of a tensor that belongs to the step of ``block`` as a whole: ``BLOCK#ROLE`` of ``#ROLE``."""
    return f"{block}{name}"


def quantum_of(weight: str) -> str:
    """The name of what one unit of a weight that is a whole number is worth."""
    return own(weight, "quantum")


def scale_of(value: str) -> str:
    """The name of the scale s of a binary value."""
    return own(value, "scale")


def shift_of(value: str) -> str:
    """The name of the trained shift of the batch normalization that computes ``value``."""
    return own(value, "shift")


def statistics_of(value: str) -> tuple[str, str]:
    """The names of the running mean and variance of the batch normalization that computes ``value``."""
    return own(value, "running_mean"), own(value, "running_variance")


def parts(name: str) -> tuple[str, ...]:
    """What a name is put together from: the owner first, then the role of each."""
    return tuple(name.split(MARK))


def unmarked(names: Iterable[str]) -> dict[str, str]:
    """Return a name without the mark for each of ``names`` that has it, different from all others."""
    known = list(names)
    taken = set(known)
    found = {}
    for name in known:
        if MARK in name and name not in found:
            free = name.replace(MARK, "_")
            while free in taken:
                free += "_"
            taken.add(free)
            found[name] = free
    return found
