"""The seams at which an operator is plugged into a 2D backbone: at a convolution, at a block, or in a layer's place.

Either way every parameter of the backbone keeps its name and shape; an operator with parameters of its own adds them
under ``<module>.temporal``, or ``<block>.temporal_in`` where it mixes the input of a block, so that a block can have
one at its input and one at its output.
"""

from __future__ import annotations

from torch import Tensor, nn

from spatempo.errors import SpatempoError
from spatempo.operators.base import TemporalOperator


class MixFirst(nn.Module):
    """A convolution that mixes frames before it convolves."""

    temporal: TemporalOperator

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(self.temporal(x))


# One explicit subclass per known kind of convolution: a kind that is not here must never quietly become a plain Conv2d.
class TemporalConv2d(MixFirst, nn.Conv2d): ...


def temporal_kinds(conv: nn.Module) -> dict[type[nn.Module], type[MixFirst]]:
    """The known kinds of convolution that ``conv`` can be of, each with the class that mixes first.

    timm's own kinds are loaded only for a convolution of timm's, since importing it takes over a second.
    """
    kinds: dict[type[nn.Module], type[MixFirst]] = {nn.Conv2d: TemporalConv2d}
    if type(conv).__module__.startswith("timm."):
        from spatempo.models.seams_timm import TIMM_KINDS

        kinds |= TIMM_KINDS
    return kinds


def plug_at_conv(conv: nn.Module, operator: TemporalOperator, where: str) -> None:
    """Lets ``operator`` mix the input of ``conv``.

    Args:
        conv: a convolution of exactly one of the known kinds.
        operator: what mixes the frames.
        where: the convolution's name, for the error.

    Raises:
        SpatempoError: the kind of convolution is not known, or it has an operator already.
    """
    kinds = temporal_kinds(conv)
    kind = kinds.get(type(conv))
    if kind is None:
        known = ", ".join(k.__name__ for k in kinds)
        raise SpatempoError(
            f"{where} is a {type(conv).__name__}, at which no operator can be plugged: known kinds are {known}"
        )
    # The object stays the same, so parameters, hyper-parameters and hooks do; only its class learns to mix first.
    conv.__class__ = kind
    conv.temporal = operator


def plug_at_block(block: nn.Module, operator: TemporalOperator) -> None:
    """Lets ``operator`` mix the input of ``block``, its shortcut included."""
    block.temporal_in = operator
    block.register_forward_pre_hook(_mix_input)


def plug_after(module: nn.Module, operator: TemporalOperator) -> None:
    """Lets ``operator`` mix what ``module``, a convolution, a batch norm or a block, puts out."""
    module.temporal = operator
    module.register_forward_hook(_mix_output)


def replace_module(net: nn.Module, name: str, module: nn.Module) -> None:
    """Puts ``module`` in the place of the one called ``name``: for operators with parameters of their own."""
    parent, _, child = name.rpartition(".")
    setattr(net.get_submodule(parent), child, module)


def _mix_input(block: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    assert isinstance(block.temporal_in, TemporalOperator)
    return (block.temporal_in(inputs[0]), *inputs[1:])


def _mix_output(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
    assert isinstance(module.temporal, TemporalOperator)
    return module.temporal(output)
