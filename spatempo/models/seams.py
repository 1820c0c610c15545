"""The seams at which operators are placed in a 2D network; nothing outside this file swaps classes or registers hooks.

An operator mixes what a convolution gets (:func:`plug_at_conv`), what a block gets (:func:`plug_at_block`) or what a
module puts out (:func:`plug_after`): every parameter of the network then keeps its name and shape, and an operator with
parameters of its own adds them under ``<module>.temporal``, or ``<block>.temporal_in`` where it mixes the input of a
block, so that a block can have one at its input and one at its output. Or it replaces a convolution
(:func:`replace_conv`) or any other part (:func:`replace_module`). A design may also read outputs from the middle of the
network (:func:`tap`), end it early (:func:`cut_after`) or run it in two parts (:func:`split_after`).

What was placed where is noted in ``build.plugs``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from torch import Tensor, nn

from spatempo.errors import OptionError, SpatempoError
from spatempo.models.build import Build, Plug
from spatempo.models.chain import RunChain, part
from spatempo.models.mix_first import MixFirst, TemporalConv2d
from spatempo.operators.base import TemporalOperator
from spatempo.operators.context import ForwardContext

Operator = TypeVar("Operator", bound=nn.Module)


def temporal_kinds(conv: nn.Module) -> dict[type[nn.Module], type[MixFirst]]:
    """The known kinds of convolution that ``conv`` can be of, each with the class that mixes first.

    timm's own kinds are loaded only for a convolution of timm's, since importing it takes over a second.
    """
    kinds: dict[type[nn.Module], type[MixFirst]] = {nn.Conv2d: TemporalConv2d}
    if type(conv).__module__.startswith("timm."):
        from spatempo.models.mix_first_timm import TIMM_KINDS

        kinds |= TIMM_KINDS
    return kinds


def plug_at_conv(build: Build, name: str, operator: TemporalOperator) -> None:
    """Lets ``operator`` mix the input of the convolution ``name``.

    Raises:
        SpatempoError: the kind of convolution is not known, or it has an operator already.
    """
    conv = build.net.get_submodule(name)
    if isinstance(conv, MixFirst):
        raise SpatempoError(f"{name} of {build.source} has an operator already: {conv.temporal}")
    kinds = temporal_kinds(conv)
    kind = kinds.get(type(conv))
    if kind is None:
        known = ", ".join(k.__name__ for k in kinds)
        raise SpatempoError(
            f"{name} is a {type(conv).__name__}, at which no operator can be plugged: known kinds are {known}"
        )
    # The object stays the same, so parameters, hyper-parameters and hooks do; only its class learns to mix first.
    conv.__class__ = kind
    conv.temporal = operator
    build.plugs.append(Plug(name, "conv", conv, operator))


def plug_at_block(build: Build, name: str, operator: TemporalOperator) -> None:
    """Lets ``operator`` mix the input of the block ``name``, its shortcut included."""
    block = build.net.get_submodule(name)
    _add(block, "temporal_in", operator, name)
    block.register_forward_pre_hook(_mix_input)
    build.plugs.append(Plug(name, "before", block, operator))


def plug_after(build: Build, name: str, operator: TemporalOperator) -> None:
    """Lets ``operator`` mix what the module ``name`` (a convolution, a batch norm, a block) puts out."""
    module = build.net.get_submodule(name)
    _add(module, "temporal", operator, name)
    module.register_forward_hook(_mix_output)
    build.plugs.append(Plug(name, "after", module, operator))


def replace_module(build: Build, name: str, module: Operator) -> Operator:
    """Puts ``module`` where the module ``name`` was, and returns it.

    A :class:`~spatempo.operators.base.ReplacingOperator` says what becomes of the image weights of what it replaces;
    any other module must have parameters of the same names and shapes.
    """
    parent, _, child = name.rpartition(".")
    setattr(build.net.get_submodule(parent), child, module)
    build.plugs.append(Plug(name, "replace", module, module))
    return module


def replace_conv(
    build: Build,
    name: str,
    make: Callable[[nn.Conv2d], Operator],
    *,
    design: str,
    kernel: tuple[int, int] = (3, 3),
) -> Operator:
    """Replaces a plain convolution by ``make(conv)``, and returns that.

    Plain: exactly ``nn.Conv2d``, one group, "same" zero padding, no dilation, no bias, the same stride in H and W.

    Args:
        build: the model under construction.
        name: of the convolution.
        make: makes the replacement, with random weights.
        design: for the errors.
        kernel: the kernel that the convolution must have.

    Raises:
        SpatempoError: the convolution is another one, or the replacement does not fit its channels; names it.
    """
    conv = build.net.get_submodule(name)
    size = f"{kernel[0]}x{kernel[1]}"
    if type(conv) is not nn.Conv2d:
        raise SpatempoError(
            f"{name} is a {type(conv).__name__}, and {design} replaces plain {size} convolutions (Conv2d)"
        )
    if conv.groups > 1:
        raise SpatempoError(
            f"{name} has {conv.groups} groups (as in ResNeXt, or depthwise), and {design} replaces {size} convolutions "
            "whose filters see all channels: take a ResNet"
        )
    same = tuple(k // 2 for k in kernel)
    plain = (conv.kernel_size, conv.padding, conv.dilation) == (kernel, same, (1, 1))
    if not plain or conv.stride[0] != conv.stride[1] or conv.padding_mode != "zeros" or conv.bias is not None:
        raise SpatempoError(
            f"{name} is {conv}, and {design} replaces {size} convolutions with padding {same[0]}, no dilation and no "
            "bias"
        )
    try:
        new = make(conv)
    except OptionError as error:
        raise SpatempoError(f"{name}: {error}") from error
    return replace_module(build, name, new.to(conv.weight.device, conv.weight.dtype))


def tap(build: Build, name: str) -> None:
    """Notes the output of the layer ``name`` in every forward pass: ``build.context.tapped[name]``."""
    build.net.get_submodule(name).register_forward_hook(_Tap(build.context, name))


def split_after(build: Build, name: str) -> tuple[RunChain, RunChain]:
    """The network in two parts: up to and including the layer ``name``, and on from its output.

    Each is a function ``(net, x) -> x`` on folded frames; ``net`` is ``build.net``, or the model's ``backbone``.
    """
    return part(build.net, build.links, name, build.source)


def cut_after(build: Build, name: str) -> None:
    """Ends the network behind the layer ``name``: later layers are removed, and their image weights have no use.

    ``build.features`` is then not known until the design says so.
    """
    kept, removed = split_after(build, name)
    for link in removed.links:
        for module in link.modules:
            parent, _, child = module.rpartition(".")
            delattr(build.net.get_submodule(parent), child)
            build.removed.append(f"{module}.")
    build.links = kept.links
    build.maps = kept


class _Tap:
    """The forward hook of :func:`tap`; an object, so that a copied model notes outputs in its own context."""

    def __init__(self, context: ForwardContext, name: str) -> None:
        self.context = context
        self.name = name

    def __call__(self, module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        self.context.tap(self.name, output)


def _add(module: nn.Module, attribute: str, operator: TemporalOperator, name: str) -> None:
    if hasattr(module, attribute):
        raise SpatempoError(f"{name} has an operator already: {getattr(module, attribute)}")
    setattr(module, attribute, operator)


def _mix_input(block: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    assert isinstance(block.temporal_in, TemporalOperator)
    return (block.temporal_in(inputs[0]), *inputs[1:])


def _mix_output(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
    assert isinstance(module.temporal, TemporalOperator)
    return module.temporal(output)
