"""Which loss trains a model, and how it weighs classes: the labels decide, and without them what the model ends in."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyfoa_rt.errors import UnsupportedError, UsageError
from tinyfoa_rt.ir.class_weights import BALANCED, NO_CLASS_WEIGHTS, balanced_class_weights, parse_class_weights
from tinyfoa_rt.ir.graph import Graph
from tinyfoa_rt.ir.losses import loss_of
from tinyfoa_rt.ir.options import AUTO, PlanOptions
from tinyfoa_rt.partition import Score, find_score
from tinyfoa_rt.run.data.label_map import label_map_of
from tinyfoa_rt.run.data.labels import as_labels, is_regression

__all__ = ["auto_loss", "check_class_weights", "check_loss", "loss_of_labels", "with_loss_of"]


def auto_loss(graph: Graph, score: Score | None, classes: int | None) -> str:
    """Return the loss of a model whose labels are not known.

    A Softmax is for classes. A model whose output is as large as its input reconstructs it. Sigmoids are for labels of 0 and 1,
    and one output without is a number.
    """
    if score is None or score.function == "softmax" or classes is not None:
        return "cross-entropy"
    num_outputs = graph.values[score.logits].size
    if num_outputs == _input_size(graph):
        return "mean-squared-error"
    if score.function == "sigmoid":
        return "binary-cross-entropy"
    return "mean-squared-error" if num_outputs == 1 else "cross-entropy"


def loss_of_labels(graph: Graph, loss_at: str | None, labels: NDArray[Any]) -> str | None:
    """Return the loss that labels ask for.

    Args:
        graph: the model.
        loss_at: the value that learns; ``None`` for the one that is taken without.
        labels: class numbers (N,), int64, or numbers (N, outputs), float32.

    Returns:
        Cross entropy of class numbers, where the model has several outputs. Of labels 0 and 1, one or several a sample, a binary
        one; but of a model that reconstructs its input, and of all other numbers, the mean squared error. ``None`` where no
        output can learn.
    """
    score = find_score(graph, loss_at)
    if score is None:
        return None
    if labels.ndim == 1 and graph.values[score.logits].size > 1:
        return "cross-entropy"
    is_binary = bool(((labels == 0) | (labels == 1)).all())
    return "binary-cross-entropy" if is_binary and np.prod(labels.shape[1:]) != _input_size(graph) else "mean-squared-error"


def with_loss_of(graph: Graph, options: PlanOptions, labels: Any) -> PlanOptions:
    """Return options whose ``auto`` loss is the one that ``labels`` ask for, and whose class weights balance them if they should.

    Labels may be all that :meth:`tinyfoa_rt.run.trainer.Trainer.fit` takes.

    A new classifier has the loss of classes.
    """
    score = find_score(graph, options.loss_at)
    if score is not None:
        labels = _as_planned(np.asarray(labels), options.classes or graph.values[score.logits].size)
    if options.class_weights == BALANCED and labels.ndim == 1 and score is not None:
        weights = balanced_class_weights(labels, options.classes or graph.values[score.logits].size)
        options = replace(options, class_weights=weights)
    if options.loss != AUTO or options.classes is not None:
        return options
    return replace(options, loss=loss_of_labels(graph, options.loss_at, labels) or AUTO)


def _as_planned(y: NDArray[Any], num_outputs: int) -> NDArray[Any]:
    """Labels as training has them: class numbers (N,), or numbers (N, outputs)."""
    labels = as_labels(y, "data", are_numbers=is_regression(y))
    if labels.ndim > 1 or (num_outputs == 1 and len(np.unique(labels)) != 2):
        return labels
    label_map = label_map_of(labels, max(num_outputs, 2), "data")
    return labels if label_map is None else label_map.numbers_of(labels, "data")


def check_loss(graph: Graph, output: str, loss: str) -> None:
    """Refuse a loss that the value at which it attaches cannot have.

    Raises:
        UnsupportedError: it has positions, and so would a class be for each of them.
        UsageError: classes of one output.
    """
    shape = graph.shape(output)[1:]
    if loss_of(loss).prediction == "value":
        return
    if sum(length > 1 for length in shape) > 1:
        problem = f"has positions ({'x'.join(map(str, shape))} a sample), and a class for each of them cannot be learnt"
        mend = "name another value with --loss-at, or train on numbers with --loss mean-squared-error"
        raise UnsupportedError(f"output '{output}'", problem, mend)
    if loss_of(loss).labels == "class" and graph.values[output].size == 1:
        mend = "use --loss binary-cross-entropy (labels 0 and 1) or --loss mean-squared-error (numbers)"
        raise UsageError(f"--loss {loss}", f"has one output to choose from, '{output}'", mend)


def check_class_weights(options: PlanOptions, loss: str, num_outputs: int) -> None:
    """Refuse weights of classes that the loss does not take, or that do not fit the model.

    Raises:
        UsageError: says which.
    """
    text, factors = f"--class-weights {options.class_weights}", parse_class_weights(options.class_weights)
    if options.class_weights == NO_CLASS_WEIGHTS:
        return
    if not loss_of(loss).weighted:
        mend = "leave it out; of one output of 0 and 1, train with --sampling balanced"
        raise UsageError(text, f"is for a loss of classes, and the loss is {loss}", mend)
    if not factors:
        mend = "plan with 'train MODEL --data', in Python with plan(labels=...), or write a number for each class"
        raise UsageError(text, "follows from the data, which are not known here", mend)
    if len(factors) != num_outputs:
        raise UsageError(text, f"has {len(factors)} numbers, and the model {num_outputs} classes", "write one for each class")


def _input_size(graph: Graph) -> int:
    return sum(graph.values[name].size for name in graph.inputs)
