"""The contract of every video network: what it takes and gives, and the facts that a checkpoint keeps."""

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
    """A network for clips ``[B, C, T, H, W]``, float, normalised as :attr:`preprocess` says; T belongs to the input.

    C is 3 for RGB, ``preprocess.channels`` in general. A subclass writes :meth:`forward_features` and
    :meth:`pool_features`; all else follows::

        forward(clip) == forward_head(forward_features(clip)) == head(pool_features(forward_features(clip)))

    Threads: a model serves one call at a time, because its operators share the number of frames of the clip in it. A
    second thread that calls it meanwhile gets a RuntimeError that says so. Give each thread a copy
    (``copy.deepcopy(model)``), or put a lock around the call.

    Attributes:
        name: ``<design>_<backbone>``.
        design, options: the design and the settings of its options; with ``backbone_source`` they build it again.
        backbone: the network before the head.
        backbone_source: for example ``torchvision/resnet50``; of a native 3D network its size.
        weights_source: ``library/name`` whose published weight sets fit the backbone, if there are any.
        removed: prefixes of the weights that an image network's file has and ``backbone`` has not.
        head: from features to logits.
        num_classes, dropout: K, and the dropout that the head was made with.
        plugs: the operators and where they were placed, in network order.
        causal: whether it can go frame by frame.
        step_frames: frames that one :meth:`step` takes.
        fixed_frames: T, where the design works for one number of frames only.
        extra_inputs: names of keyword inputs that the design declares, such as ``boxes``; mostly none.
        classes: names of the classes, once known.
        preprocess: input specification.
        clip_seconds: how long the videos were that it was trained on (their median), once known.
        weights: the file or weight set that its parameters came from, if any.
        recipe, metrics: how it was trained and what it scored, as plain values; empty if it was not.
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

    # --- from clips to logits, whole or in two parts -----------------------------------------------------------------

    def forward(self, clip: Tensor, **extras: Tensor) -> Tensor:
        """Logits of clips: ``[B, C, T, H, W] -> [B, K]``.

        Args:
            extras: keyword inputs that the design declares, see :attr:`extra_inputs`; all others are refused.
        """
        unknown = sorted(set(extras) - set(self.extra_inputs))
        if unknown:
            takes = ", ".join(self.extra_inputs) or "none besides the clip"
            raise SpatempoError(f"{self.name} has no input {unknown[0]!r}; its keyword inputs: {takes}")
        if not extras:
            return self.head(self._features(clip))
        self.context.give(extras)
        try:
            return self.head(self._features(clip))
        finally:
            self.context.give({})

    def forward_frames(self, clip: Tensor) -> Tensor:
        """Logits of every frame: ``[B, C, T, H, W] -> [B, T', K]``; T' is less than T where the design pools over time.

        Raises:
            SpatempoError: the head's score belongs to the clip alone.
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
        """What the head gets, from the last maps: ``[B, C', T', H', W'] -> [B, T', F]``. Here: the mean over space."""
        return maps.mean((3, 4)).transpose(1, 2)

    def _features(self, clip: Tensor) -> Tensor:
        """``[B, C, T, H, W] -> [B, T', F]``."""
        return self.pool_features(self.forward_features(clip))

    # --- frame by frame ----------------------------------------------------------------------------------------------

    def step(self, frames: Tensor, state: State) -> tuple[Tensor, State]:
        """The next frames of each stream.

        Args:
            frames: ``[B, C, step_frames, H, W]``, normalised.
            state: of :meth:`init_state` at the start of a clip, then what the last step returned.

        Returns:
            The running score ``[B, K]``, which after the last frame of a clip is ``forward(clip)``, and the state for
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
        """The state before the first frame, tensors in the order of :attr:`state_names`.

        Args:
            batch_size: streams side by side.
            size: of the frames in pixels, one number or (height, width); the model's own by default.
            dtype: of the frames, the parameters' by default.
            device: of the frames, the parameters' by default.
        """
        raise self._not_causal()

    @property
    def state_names(self) -> tuple[str, ...]:
        """Names of the state's tensors: ``<module>.<tensor>`` of each operator as they run, then the head's.

        They depend on the network alone and stay the same from process to process.
        """
        raise self._not_causal()

    # --- what it is made of ------------------------------------------------------------------------------------------

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
        """Frames back and ahead that one frame's score depends on; ``None`` stands for the whole clip."""
        raise NotImplementedError

    def residual_blocks(self) -> list[tuple[str, nn.Module]]:
        """The backbone's residual blocks by name, in order; what ``info`` shows the maps of."""
        raise NotImplementedError

    def auxiliary_losses(self) -> Mapping[str, Tensor]:
        """Scalar losses that training adds to the classification's, of the last forward pass, by name; mostly none."""
        return self.context.losses

    def head_parameters(self) -> list[nn.Parameter]:
        """The new classifier's parameters, which the published recipe trains five times faster."""
        return list(self.head.parameters())

    def new_parameters(self) -> list[nn.Parameter]:
        """Parameters besides the head's that image weights do not initialise, which learn where the rest is frozen."""
        return [parameter for operator in self.operators for parameter in operator.new_parameters()]

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """Computes every residual block again in the backward pass instead of keeping its maps in memory."""
        raise NotImplementedError

    # --- weights of other code ---------------------------------------------------------------------------------------

    def adapt_weights(self, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        """Called with a weight file's content first: an image network's made into the backbone's; here: as they are."""
        return weights

    # --- clear errors ------------------------------------------------------------------------------------------------

    def _not_causal(self) -> SpatempoError:
        how = "train it with `causal=True`" if "causal" in self.options else f"{self.design} has no causal form"
        return SpatempoError(f"{self.name} looks at future frames, so it cannot go frame by frame: {how}")

    def _check_clip(self, clip: Tensor, what: str = "a clip", frames: str = "T") -> None:
        """See :func:`~spatempo.models.check_clip.check_clip`."""
        check_clip(clip, self.preprocess, self.backbone, what, frames)
        if self.fixed_frames is not None and clip.shape[2] != self.fixed_frames:
            raise SpatempoError(
                f"{self.name} is made for clips of {self.fixed_frames} frames and got {clip.shape[2]}: make it with "
                f"frames={clip.shape[2]}, or give clips of {self.fixed_frames}"
            )
