"""A planning task: the model cut into blocks, the options resolved, and what does not go together refused."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, fields, replace

from tinyfoa_rt.errors import UnsupportedError, UsageError
from tinyfoa_rt.ir.block import Block, Layer, Partition, Slices
from tinyfoa_rt.ir.graph import Graph
from tinyfoa_rt.ir.latents import FLOAT, FORMATS
from tinyfoa_rt.ir.optimizers import optimizer_of
from tinyfoa_rt.ir.options import AUTO, PlanOptions
from tinyfoa_rt.ir.profile import Profile
from tinyfoa_rt.ir.recipe import Recipe
from tinyfoa_rt.operators import DOMAIN, find_operator
from tinyfoa_rt.operators.updates import ON_INTEGERS
from tinyfoa_rt.partition import (
    find_score,
    is_own,
    join_classifier,
    merge_parts,
    partition,
    resolved_names,
    select_blocks,
    select_shares,
    with_classes,
    with_shares,
    with_standard_operators,
    without_rounding,
)
from tinyfoa_rt.planner.loss import auto_loss, check_class_weights, check_loss
from tinyfoa_rt.planner.search import Candidate, grid_candidates
from tinyfoa_rt.profiles import load_profile
from tinyfoa_rt.steps import BlockContext, StepChoice, block_contexts
from tinyfoa_rt.steps.methods import method_of
from tinyfoa_rt.units import parse_nbytes

__all__ = ["PlanningTask", "open_tasks", "resolve_options"]

_BATCHES = (1, 2, 4, 8, 16, 32, 64, 128)
_DIAGONAL = Slices(2, 2)


@dataclass(frozen=True)
class PlanningTask:
    """Everything that planning starts from.

    ``contexts`` has one entry for each trained block, in execution order. ``options`` are resolved, but for a batch that planning
    chooses.
    """

    graph: Graph
    parts: Partition
    options: PlanOptions
    profile: Profile
    recipe: Recipe
    contexts: tuple[BlockContext, ...]

    @property
    def trained(self) -> Mapping[str, Recipe]:
        return {context.block.name: context.recipe for context in self.contexts}

    @property
    def budget_bytes(self) -> int:
        """RAM that training may use."""
        assert isinstance(self.options.budget, int)
        return self.options.budget

    @property
    def batches(self) -> tuple[int, ...]:
        return _BATCHES if self.options.batch is None else (self.options.batch,)

    @property
    def steps_a_turn(self) -> int | None:
        """Steps that a slice stays; ``None`` for an equal part of an epoch, which spares flash memory."""
        if self.options.rotate_every is None and (self.profile.runtime == "ort" or self.options.slices_per_step > 1):
            return 1
        return self.options.rotate_every

    def grids(self, block: Block) -> tuple[Slices, ...]:
        """The grids a block may be cut into, in order of preference.

        Layers of one depth are cut alike. Of a block of several parts each is cut as far as it can be, but each is. A share has
        as many slices as the grid, so that no turn falls on what stays as it is.

        Raises:
            UsageError: a layer cannot be cut by the grid or the schedule that was asked for.
        """
        furthest = max if block.parts else min
        cut = [layer for layer in block.layers if layer.kind != "bias"]
        largest_in = furthest((layer.in_features for layer in cut), default=1)
        largest_out = furthest((layer.out_features for layer in cut), default=1)
        asked = self.options.grid()
        if asked is None and self.options.schedule == "freeze-diagonal":
            asked = _DIAGONAL
        if self.options.schedule == "full":
            return (Slices(1, 1),)
        in_part = next((layer for layer in block.layers if layer.is_in_part), None)
        if in_part is not None and self.options.schedule == "freeze-diagonal":
            place = f"--schedule freeze-diagonal, layer '{in_part.name}'"
            raise UsageError(place, "is trained in part (--train) and has no diagonal to freeze", "leave one of the two out")
        if self.options.schedule == "slice" and not self._can_hold_slices:
            if asked is not None and asked.count > 1:
                problem = "leaves the slices that are not active no place outside of a step, where onnxruntime wants them"
                raise UsageError(f"--slices {self.options.slices}, --nonvolatile none", problem, "leave one of the two out")
            return (Slices(1, 1),)
        if asked is None:
            grids = grid_candidates(largest_in, largest_out)
            return tuple(grid for grid in grids if not any(_too_small(layer, grid) for layer in cut))
        grid = Slices(min(asked.m_in, largest_in), min(asked.m_out, largest_out))
        for layer in cut if self.options.schedule == "slice" else ():
            if problem := _too_small(layer, grid):
                raise UsageError(f"--slices {self.options.slices}, layer '{layer.name}'", problem, "use another grid, or auto")
        return (grid,)

    @property
    def score(self) -> str:
        """The value whose largest element is the class: the output before Softmax."""
        last = self.parts.blocks[-1]
        return last.output if last.is_classifier else self.graph.outputs[0]

    def choice(self, candidate: Candidate) -> StepChoice:
        """The sizes of a step: where what is updated is not one slice, nothing is saved by cutting. C99 trains block by block."""
        slices = candidate.slices if self.options.schedule == "slice" else Slices(1, 1)
        hands_on = self.options.order == "interleaved" and self.profile.runtime == "ort"
        holds_slice = self.holds_slice(slices) or self.has_shares
        moved = self.slices_per_step(slices)
        return StepChoice(slices, candidate.batch, holds_slice, hands_on, candidate.segments, candidate.moving, moved)

    def slices_per_step(self, slices: Slices) -> int:
        """How many slices of a layer a step moves: no slice twice, and all of a layer that is in one piece."""
        return min(self.options.slices_per_step, slices.count) if self.holds_slice(slices) else 1

    def moving(self, block: Block) -> tuple[int | None, ...]:
        """What moves in each of a block's steps: all of its layers in one, or one after the other in steps of their own."""
        takes_turns = self.options.slices_at == "one" and len(block.layers) > 1
        return tuple(range(len(block.layers))) if takes_turns else (None,)

    @property
    def has_shares(self) -> bool:
        """Whether a layer is trained in part."""
        return any(layer.trained_inputs is not None for context in self.contexts for layer in context.block.layers)

    @property
    def _can_hold_slices(self) -> bool:
        """Whether an update may be of one slice: on onnxruntime it is of whole tensors, so that the others must lie elsewhere."""
        return self.profile.runtime != "ort" or self.profile.nonvolatile_bytes != 0

    def holds_slice(self, slices: Slices) -> bool:
        """Whether only the active slice is in RAM: it is cut, one slice trains at a time, and the others have a place to lie."""
        return slices.count > 1 and self.options.schedule == "slice" and self.profile.nonvolatile_bytes != 0


def _too_small(layer: Layer, grid: Slices) -> str:
    """Why a grid leaves a layer in one piece, or a share of it in fewer pieces than it has; empty where it does not."""
    if layer.trained_inputs is not None and layer.trained_inputs < grid.count:
        return f"trains {_count(layer.trained_inputs, 'input')} (--train), and a share is cut along its inputs, into {grid.count}"
    if grid.count > 1 == min(grid.m_in, layer.in_features) * min(grid.m_out, layer.out_features):
        return f"has {_count(layer.in_features, 'input')} and {_count(layer.out_features, 'output')}: it is not cut by it"
    return ""


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"


def resolve_options(graph: Graph, options: PlanOptions, profile: Profile | None = None) -> PlanningTask:
    """Return the task for a model and options.

    Args:
        graph: the model.
        options: as they were asked for, or those of a plan.
        profile: of a plan; by default the profile that ``options`` name, with the nonvolatile memory that they ask for.

    Raises:
        UsageError: an option does not fit the model or the profile.
        UnsupportedError: the model has no trainable layer.
    """
    profile = profile or _profile(options)
    _check_latent(options)
    _check_levels(options, profile)
    _check_slices_at(options, profile)
    options = _of_method(options, profile)
    score = find_score(graph, options.loss_at)
    loss = options.loss if options.loss != AUTO else auto_loss(graph, score, options.classes)
    parts = partition(graph, score.value(loss) if score is not None else None)
    selected = select_blocks(parts.blocks, options.train)
    shares = select_shares(parts.blocks, options.train)
    merged = _blocks(graph, parts, selected, options)
    to_train = {node.name for block in merged.blocks if block.name in selected for node in block.nodes}
    graph = with_standard_operators(without_rounding(graph, to_train), to_train)
    _check_frozen(graph, profile)
    if options.classes is not None:
        graph = with_classes(graph, options.classes)
    score = find_score(graph, options.loss_at)  # the logits of a quantized model have another name without rounding
    graph, parts = with_shares(graph, partition(graph, score.value(loss) if score is not None else None), shares)
    if score is not None:
        check_loss(graph, parts.blocks[-1].output, loss)
    train = tuple(name for block in parts.blocks if block.name in selected for name in resolved_names(block, shares))
    parts = _blocks(graph, parts, selected, options)
    trained = [block for block in parts.blocks if block.name in selected]
    num_outputs = graph.values[parts.blocks[-1].output].size
    check_class_weights(options, loss, num_outputs)
    options = replace(
        options,
        budget=_budget(options, profile),
        target=profile.name,
        train=train,
        optimizer=_optimizer(options),
        loss=loss,
    )
    options = method_of(options.method).decide(options, parts, selected)
    recipe = _recipe(options, num_outputs)
    contexts = block_contexts(graph, trained, recipe, profile)
    contexts = tuple(_with_own_recipe(each, parts.blocks[-1], options.method) for each in contexts)
    return PlanningTask(graph, parts, options, profile, recipe, contexts)


def _blocks(graph: Graph, parts: Partition, selected: Collection[str], options: PlanOptions) -> Partition:
    """The parts as blocks: where the options say that they end."""
    if options.classifier != "head":
        return merge_parts(graph, parts, selected, options.block_layers)
    if options.block_layers != "1":
        problem = f"ends blocks by itself, and so does --block-layers {options.block_layers}"
        raise UsageError("--classifier head", problem, "leave one of the two out")
    return join_classifier(graph, parts, selected)


def open_tasks(graph: Graph, options: PlanOptions) -> Iterator[PlanningTask]:
    """Yield the task for options, and behind it one that needs less, where ``--head auto`` stands for heads that learn.

    Raises:
        UsageError: as :func:`resolve_options`.
        UnsupportedError: as there.
    """
    task = resolve_options(graph, options)
    yield task
    if options.head == AUTO and task.options.head == "learned":
        yield resolve_options(graph, replace(options, head="rademacher"))


def _check_slices_at(options: PlanOptions, profile: Profile) -> None:
    """Layers that do not move are read where the profile keeps them."""
    if options.slices_at == "one" and profile.nonvolatile_bytes == 0:
        mend = "leave it out, or plan with --nonvolatile"
        raise UsageError("--slices-at one", f"saves nothing where all layers are in RAM (target {profile.name})", mend)


def _check_latent(options: PlanOptions) -> None:
    """Whole numbers want a step of their own of the optimizer."""
    if options.latent == AUTO:
        raise UsageError("--latent auto", "is for planning, which chooses a format", f"name one: {', '.join(FORMATS)}")
    optimizer = optimizer_of(_optimizer(options))
    if options.latent != FLOAT and find_operator(optimizer.update + ON_INTEGERS, DOMAIN) is None:
        problem, mend = f"has no step of the optimizer {optimizer.name}", "register its integer_update_operator, or leave it out"
        raise UnsupportedError(f"--latent {options.latent}", problem, mend)


def _check_levels(options: PlanOptions, profile: Profile) -> None:
    """Levels take the place of bits, and have no kernels for onnxruntime yet."""
    if options.activation_bits == 1:
        return
    place = f"--activation-bits {options.activation_bits}"
    if options.binarize != "both":
        raise UsageError(
            place, f"is of binary activations, and --binarize {options.binarize} has none", "leave one of the two out"
        )
    if profile.has_kernels:
        raise UnsupportedError(place, "is not there yet for the library of kernels", "plan for ort-cpu, or leave it out")


def _optimizer(options: PlanOptions) -> str:
    """Plain steps need least; through several layers gradients differ in size, which steps of a length of their own even out."""
    if options.optimizer != AUTO:
        return options.optimizer
    return "sgd" if options.block_layers == "1" and options.classifier != "head" else "normalized"


def _of_method(options: PlanOptions, profile: Profile) -> PlanOptions:
    """The options with the blocks that the method trains; refuses a method that does not run here."""
    method = method_of(options.method)
    if method.needs_ort and profile.runtime != "ort":
        raise UnsupportedError(f"method {method.name}", "has no C99", "plan for ort-cpu, or with another --method")
    if not method.spans_model or options.block_layers == "all":
        return options
    if options.block_layers != "1":  # what is not said is 1
        problem = f"is no choice of the method {method.name}, which trains all layers in one block"
        raise UsageError(f"--block-layers {options.block_layers}", problem, "leave it out")
    return replace(options, block_layers="all")


def _with_own_recipe(context: BlockContext, last: Block, method: str) -> BlockContext:
    recipe = replace(context.recipe, method=method) if method_of(method).spans_model else context.recipe
    return replace(context, recipe=method_of(recipe.method).recipe_of(recipe, context.block, last))


def _check_frozen(graph: Graph, profile: Profile) -> None:
    """Frozen layers of a model that was trained here run by their function bodies, which only onnxruntime has."""
    for node in graph.nodes if profile.runtime != "ort" else ():
        if is_own(node):
            problem = f"({node.op_type}) is frozen, and of a model that was trained here: there is no C99 for it"
            raise UnsupportedError(f"node '{node.name}'", problem, "train all blocks (--train all), or plan for ort-cpu")


def _profile(options: PlanOptions) -> Profile:
    profile = load_profile(options.target)
    if options.nonvolatile is None:
        return profile
    named = {"none": 0, "0": 0, "unlimited": None}  # as in a profile
    if options.nonvolatile in named:
        return replace(profile, nonvolatile_bytes=named[options.nonvolatile])
    return replace(profile, nonvolatile_bytes=parse_nbytes(options.nonvolatile, what="--nonvolatile"))


def _budget(options: PlanOptions, profile: Profile) -> int:
    if options.budget is not None:
        return parse_nbytes(options.budget)
    if profile.default_budget_bytes is None:
        raise UsageError(
            f"target {profile.name}",
            "has no RAM size of its own",
            "give a budget, for example --budget 256KB, or a board as target",
        )
    return profile.default_budget_bytes


def _recipe(options: PlanOptions, num_outputs: int) -> Recipe:
    """What the recipe shares with resolved options has the same names there."""
    asked = {each.name: getattr(options, each.name) for each in fields(PlanOptions)}
    return Recipe(**{each.name: asked[each.name] for each in fields(Recipe) if each.name in asked}, num_outputs=num_outputs)
