"""The base class of all video models: its methods, and the attributes stored in a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from spatempo.errors import SpatempoError
from spatempo.inputs.spec import Preprocess
from spatempo.models.build import Plug
from spatempo.models.check_clip import check_clip
from spatempo.models.head import Head
from spatempo.operators.base import Reach, TemporalOperator
from spatempo.operators.context import ForwardContext, State


class VideoModel(nn.Module):
    """A network for float clips ``[B, C, T, H, W]``, normalised as described by :attr:`preprocess`.

    C is ``preprocess.channels``, 3 for RGB. T can be any number of frames unless :attr:`fixed_frames` is set. A
    subclass implements :meth:`forward_features` and :meth:`pool_features`. The other methods use them::

        forward(clip) == forward_head(forward_features(clip)) == head(pool_features(forward_features(clip)))

    A model is not thread-safe, because its operators share the number of frames of the current clip. A call from a
    second thread during a forward pass raises a RuntimeError. Give each thread a copy (``copy.deepcopy(model)``), or
    use a lock.

    Attributes:
        name: ``<design>_<backbone>``.
        design, options: the design and the values of its options. With ``backbone_source`` they define the network.
        backbone: the network before the head.
        backbone_source: for example ``torchvision/resnet50``; the size for native 3D networks.
        weights_source: ``library/name`` whose published weight sets fit the backbone, if there are any.
        removed: prefixes of weights in an image network's file that ``backbone`` does not have.
        head: maps features to logits.
        num_classes, dropout: K, and the dropout probability of the head.
        plugs: the operators and their places, in network order.
        causal: whether it can process a clip frame by frame.
        step_frames: number of frames that :meth:`step` takes.
        fixed_frames: T, for designs with a fixed number of frames.
        extra_inputs: names of the design's keyword inputs, such as ``boxes``; mostly empty.
        classes: class names, if known.
        preprocess: input specification.
        clip_seconds: median length of the training videos in seconds, if known.
        weights: the file or weight set that the parameters were loaded from, if any.
        recipe, metrics: training recipe and measured metrics, as plain values; empty for untrained models.
    """

    step_frames = 1
    causal = False
    extra_inputs: tuple[str, ...] = ()

    def __init__(
        self,
        name: str,
        design: str,
        options: dict[str, Any],
        backbone: nn.Module,
        backbone_source: str,
        head: Head,
        *,
        num_classes: int,
        dropout: float,
        preprocess: Preprocess,
        context: ForwardContext,
        plugs: Sequence[Plug] = (),
        removed: Sequence[str] = (),
        weights_source: str | None = None,
        fixed_frames: int | None = None,
    ) -> None:
        super().__init__()
        self.name = name
        self.design = design
        self.options = options
        self.backbone = backbone
        self.backbone_source = backbone_source
        self.weights_source = weights_source or backbone_source
        self.removed = tuple(removed)
        self.head = head
        self.num_classes = num_classes
        self.dropout = dropout
        self.preprocess = preprocess
        self.context = context
        self.plugs = tuple(plugs)
        self.fixed_frames = fixed_frames
        self.classes: list[str] | None = None
        self.clip_seconds: float | None = None
        self.weights: str | None = None
        self.recipe: dict[str, Any] = {}
        self.metrics: dict[str, float] = {}

    # --- whole clips -------------------------------------------------------------------------------------------------

    def forward(self, clip: Tensor, **extras: Tensor) -> Tensor:
        """Logits of clips: ``[B, C, T, H, W] -> [B, K]``.

        Args:
            extras: keyword inputs of the design, see :attr:`extra_inputs`; others raise an error.
        """
        unknown = sorted(set(extras) - set(self.extra_inputs))
        if unknown:
            known = ", ".join(self.extra_inputs) or "none besides the clip"
            raise SpatempoError(f"{self.name} has no input {unknown[0]!r}; its keyword inputs: {known}")
        if not extras:
            return self.head(self._features(clip))
        self.context.set_extras(extras)
        try:
            return self.head(self._features(clip))
        finally:
            self.context.set_extras({})

    def forward_frames(self, clip: Tensor) -> Tensor:
        """Logits of every frame: ``[B, C, T, H, W] -> [B, T', K]``; T' is smaller than T if the design pools over time.

        Raises:
            SpatempoError: the head scores whole clips only.
        """
        return self.head.frame_logits(self._features(clip))

    def forward_features(self, clip: Tensor) -> Tensor:
        """The last maps before the head: ``[B, C, T, H, W] -> [B, C', T', H', W']``."""
        raise NotImplementedError

    def forward_head(self, maps: Tensor) -> Tensor:
        """Logits of clips from the last maps, ``[B, C', T', H', W'] -> [B, K]``."""
        return self.head(self.pool_features(maps))

    def forward_head_frames(self, maps: Tensor) -> Tensor:
        """Logits of every frame from the last maps, ``[B, C', T', H', W'] -> [B, T', K]``."""
        return self.head.frame_logits(self.pool_features(maps))

    def pool_features(self, maps: Tensor) -> Tensor:
        """Features for the head, by default the mean over space: ``[B, C', T', H', W'] -> [B, T', F]``."""
        return maps.mean((3, 4)).transpose(1, 2)

    def _features(self, clip: Tensor) -> Tensor:
        """``[B, C, T, H, W] -> [B, T', F]``."""
        return self.pool_features(self.forward_features(clip))

    # --- frame by frame ----------------------------------------------------------------------------------------------

    def step(self, frames: Tensor, state: State) -> tuple[Tensor, State]:
        """Processes the next frames of each stream.

        Args:
            frames: ``[B, C, step_frames, H, W]``, normalised.
            state: from :meth:`init_state` at the start of a clip, then from the previous step.

        Returns:
            The running logits ``[B, K]``, equal to ``forward(clip)`` after the last frame of a clip, and the state for
            the next step.
        """
        raise self._not_causal()

    def init_state(
        self,
        batch_size: int = 1,
        size: int | tuple[int, int] | None = None,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> State:
        """Creates the state before the first frame: tensors in the order of :attr:`state_names`.

        Args:
            batch_size: number of parallel streams.
            size: size of the frames in pixels, one number or (height, width); by default ``preprocess.size``.
            dtype: dtype of the frames, by default that of the parameters.
            device: device of the frames, by default that of the parameters.
        """
        raise self._not_causal()

    @property
    def state_names(self) -> tuple[str, ...]:
        """Names of the state's tensors: ``<module>.<tensor>`` of the operators in order of execution, then the head's.

        They depend only on the network, so they are the same in every process.
        """
        raise self._not_causal()

    # --- components --------------------------------------------------------------------------------------------------

    @property
    def operators(self) -> list[TemporalOperator]:
        """The temporal operators, in network order."""
        return [plug.operator for plug in self.plugs if isinstance(plug.operator, TemporalOperator)]

    @property
    def plugged(self) -> list[str]:
        """One line per operator, ``<module> <kind>: <operator>``."""
        return [str(plug) for plug in self.plugs]

    @property
    def reach(self) -> Reach | None:
        """Numbers of past and future frames that one frame's score depends on; ``None`` means the whole clip."""
        raise NotImplementedError

    def residual_blocks(self) -> list[tuple[str, nn.Module]]:
        """Names and modules of the backbone's residual blocks, in order; ``info`` shows the shapes of their maps."""
        raise NotImplementedError

    def auxiliary_losses(self) -> Mapping[str, Tensor]:
        """Scalar losses of the last forward pass by name, which training adds to the classification loss."""
        return self.context.losses

    def head_parameters(self) -> list[nn.Parameter]:
        """Parameters of the classifier; the published recipe multiplies their learning rate by 5."""
        return list(self.head.parameters())

    def new_parameters(self) -> list[nn.Parameter]:
        """Parameters, except the head's, that image weights do not initialise; they train even in a frozen backbone."""
        return [parameter for operator in self.operators for parameter in operator.new_parameters()]

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """Enables or disables gradient checkpointing, which saves memory by recomputing blocks in the backward pass."""
        raise NotImplementedError

    # --- weights of other code ---------------------------------------------------------------------------------------

    def adapt_weights(self, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        """Converts the weights of a file before their layout is detected; by default they are returned unchanged."""
        return weights

    # --- errors ------------------------------------------------------------------------------------------------------

    def _not_causal(self) -> SpatempoError:
        fix = "train it with `causal=True`" if "causal" in self.options else f"{self.design} has no causal form"
        return SpatempoError(f"{self.name} uses future frames, so it cannot run frame by frame: {fix}")

    def _check_clip(self, clip: Tensor, what: str = "a clip", frames: str = "T") -> None:
        """See :func:`~spatempo.models.check_clip.check_clip`."""
        check_clip(clip, self.preprocess, self.backbone, what, frames)
        if self.fixed_frames is not None and clip.shape[2] != self.fixed_frames:
            raise SpatempoError(
                f"{self.name} is made for clips of {self.fixed_frames} frames and got {clip.shape[2]}: create it with "
                f"frames={clip.shape[2]}, or give clips of {self.fixed_frames} frames"
            )
