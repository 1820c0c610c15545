"""Seams: functions that place operators in a 2D network. Only this file changes classes or registers hooks.

An operator can be applied to the input of a convolution (:func:`plug_at_conv`), to the input of a block
(:func:`plug_at_block`) or to the output of a module (:func:`plug_after`). All parameters of the network then keep their
names and shapes. The operator's own parameters are added under ``<module>.temporal``, or ``<block>.temporal_in`` at the
input of a block, so that a block can have one operator at its input and one at its output. An operator can also replace
a convolution (:func:`replace_conv`) or any other module (:func:`replace_module`). A design may also read intermediate
outputs (:func:`tap`), end the network early (:func:`cut_after`) or run it in two parts (:func:`split_after`).

``build.plugs`` records the placed operators.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from torch import Tensor, nn

from spatempo.errors import OptionError, SpatempoError
from spatempo.models.build import Build, Plug
from spatempo.models.chain import RunChain, split_chain
from spatempo.models.mix_first import MixFirst, TemporalConv2d
from spatempo.operators.base import TemporalOperator
from spatempo.operators.context import ForwardContext

Operator = TypeVar("Operator", bound=nn.Module)


def temporal_kinds(conv: nn.Module) -> dict[type[nn.Module], type[MixFirst]]:
    """The supported convolution classes for ``conv``, each with its subclass that applies an operator first.

    timm's classes are imported only if ``conv`` comes from timm, because the import takes over a second.
    """
    kinds: dict[type[nn.Module], type[MixFirst]] = {nn.Conv2d: TemporalConv2d}
    if type(conv).__module__.startswith("timm."):
        from spatempo.models.mix_first_timm import TIMM_KINDS

        kinds |= TIMM_KINDS
    return kinds


def plug_at_conv(build: Build, name: str, operator: TemporalOperator) -> None:
    """Applies ``operator`` to the input of the convolution ``name``.

    Raises:
        SpatempoError: the convolution's class is not supported, or it has an operator already.
    """
    conv = build.net.get_submodule(name)
    if isinstance(conv, MixFirst):
        raise SpatempoError(f"{name} of {build.source} has an operator already: {conv.temporal}")
    kinds = temporal_kinds(conv)
    kind = kinds.get(type(conv))
    if kind is None:
        known = ", ".join(k.__name__ for k in kinds)
        raise SpatempoError(
            f"{name} is a {type(conv).__name__}, where no operator can be placed: supported classes are {known}"
        )
    # Only the class changes, so the object keeps its parameters, settings and hooks.
    conv.__class__ = kind
    conv.temporal = operator
    build.plugs.append(Plug(name, "conv", conv, operator))


def plug_at_block(build: Build, name: str, operator: TemporalOperator) -> None:
    """Applies ``operator`` to the input of the block ``name``, including its shortcut."""
    block = build.net.get_submodule(name)
    _add(block, "temporal_in", operator, name)
    block.register_forward_pre_hook(_mix_input)
    build.plugs.append(Plug(name, "before", block, operator))


def plug_after(build: Build, name: str, operator: TemporalOperator) -> None:
    """Applies ``operator`` to the output of the module ``name`` (a convolution, a batch norm, a block)."""
    module = build.net.get_submodule(name)
    _add(module, "temporal", operator, name)
    module.register_forward_hook(_mix_output)
    build.plugs.append(Plug(name, "after", module, operator))


def replace_module(build: Build, name: str, module: Operator) -> Operator:
    """Replaces the module ``name`` with ``module``, and returns ``module``.

    A :class:`~spatempo.operators.base.ReplacingOperator` converts the image weights of the replaced module. Any other
    module must have parameters of the same names and shapes.
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
    """Replaces a plain convolution with ``make(conv)``, and returns the replacement.

    Plain means: exactly ``nn.Conv2d``, one group, "same" zero padding, no dilation, no bias, equal strides in H and W.

    Args:
        build: the model under construction.
        name: name of the convolution.
        make: creates the replacement, with random weights.
        design: name of the design, for error messages.
        kernel: required kernel size (height, width).

    Raises:
        SpatempoError: the convolution is not plain, or the replacement does not support its number of channels.
    """
    conv = build.net.get_submodule(name)
    size = f"{kernel[0]}x{kernel[1]}"
    if type(conv) is not nn.Conv2d:
        raise SpatempoError(
            f"{name} is a {type(conv).__name__}, but {design} replaces plain {size} convolutions (Conv2d)"
        )
    if conv.groups > 1:
        raise SpatempoError(
            f"{name} has {conv.groups} groups (as in ResNeXt, or depthwise), but {design} replaces {size} convolutions "
            "with one group: use a ResNet"
        )
    same = tuple(k // 2 for k in kernel)
    plain = (conv.kernel_size, conv.padding, conv.dilation) == (kernel, same, (1, 1))
    if not plain or conv.stride[0] != conv.stride[1] or conv.padding_mode != "zeros" or conv.bias is not None:
        raise SpatempoError(
            f"{name} is {conv}, but {design} replaces {size} convolutions with padding {same[0]}, no dilation and no "
            "bias"
        )
    try:
        new = make(conv)
    except OptionError as error:
        raise SpatempoError(f"{name}: {error}") from error
    return replace_module(build, name, new.to(conv.weight.device, conv.weight.dtype))


def tap(build: Build, name: str) -> None:
    """Records the output of the layer ``name`` in every forward pass, in ``build.context.tapped[name]``."""
    build.net.get_submodule(name).register_forward_hook(_Tap(build.context, name))


def split_after(build: Build, name: str) -> tuple[RunChain, RunChain]:
    """Splits the network in two: the layers up to and including ``name``, and the layers after it.

    Both parts are functions ``(net, x) -> x`` on folded frames; ``net`` is ``build.net`` or the model's ``backbone``.
    """
    return split_chain(build.net, build.links, name, build.source)


def cut_after(build: Build, name: str) -> None:
    """Ends the network after the layer ``name``: later layers are removed and their image weights ignored.

    The design must then set the number of features itself.
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
    """The forward hook of :func:`tap`; an object, so that a copied model records outputs in its own context."""

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
