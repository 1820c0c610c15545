"""The contract of every video network: what it takes and gives, and the facts that a checkpoint keeps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from spatempo.errors import SpatempoError
from spatempo.models.blocks import residual_blocks
from spatempo.models.consensus import Average, Consensus
from spatempo.operators.base import Reach, TemporalOperator
from spatempo.operators.call import State
from spatempo.preprocess import Preprocess

_MAKE_CLIP = "make one of uint8 frames [T, H, W, 3] by model.preprocess(frames)[None], or use spatempo.predict"


class Head(nn.Module):
    """Dropout and a linear layer on features, ``[N, F] -> [N, K]``.

    The weights start at N(0, 0.001), the bias at zero, as published for TSN and TSM. ``consensus`` is what then makes
    the clip's logits of its frames'.
    """

    def __init__(self, features: int, num_classes: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(features, num_classes)
        self.consensus: Consensus = Average()
        nn.init.normal_(self.fc.weight, std=0.001)
        nn.init.zeros_(self.fc.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.dropout(x))


class VideoModel(nn.Module):
    """A network for clips ``[B, 3, T, H, W]``, float, normalised as :attr:`preprocess` says; T belongs to the call.

    Of another modality than RGB a clip has ``preprocess.channels`` channels instead of 3.

    Threads: a model serves one call at a time, because its operators share the number of frames of the clip in it. A
    second thread that calls it meanwhile gets a RuntimeError that says so. Give each thread a copy
    (``copy.deepcopy(model)``), or put a lock around the call.

    Attributes:
        name: ``<design>_<backbone>``.
        design, options: what was plugged in, and how; with ``backbone_source`` it builds the network again.
        backbone: the network before its classifier.
        backbone_source: for example ``torchvision/resnet50``; of a video-native network its size.
        weights_source: ``library/name`` whose published weight sets fit the backbone, if there are any.
        image_classifier: prefixes of the weights that an image network's file has and ``backbone`` has not.
        head: the classifier, its linear layer is ``head.fc``.
        causal: whether it can go frame by frame.
        step_frames: frames that one :meth:`step` takes.
        classes: names of the classes, once known.
        preprocess: what the model wants to be fed.
        clip_seconds: how long the videos were that it was trained on (their median), once known.
        recipe, metrics: how it was trained and what it scored, as plain values; empty if it was not.
    """

    step_frames = 1
    causal = False

    def __init__(
        self,
        name: str,
        design: str,
        options: dict[str, Any],
        backbone: nn.Module,
        backbone_source: str,
        *,
        features: int,
        num_classes: int,
        dropout: float,
        preprocess: Preprocess,
        image_classifier: tuple[str, ...] = (),
    ) -> None:
        super().__init__()
        self.name = name
        self.design = design
        self.options = options
        self.backbone = backbone
        self.backbone_source = backbone_source
        self.weights_source = backbone_source
        self.image_classifier = image_classifier
        self.head = Head(features, num_classes, dropout)
        self.num_classes = num_classes
        self.preprocess = preprocess
        self.classes: list[str] | None = None
        self.clip_seconds: float | None = None
        self.recipe: dict[str, Any] = {}
        self.metrics: dict[str, float] = {}

    def forward(self, clip: Tensor) -> Tensor:
        """Logits of clips: ``[B, 3, T, H, W] -> [B, K]``, the mean of the frames' logits (before any softmax).

        A 2D network may have another consensus (:mod:`spatempo.models.consensus`).
        """
        return self.forward_frames(clip).mean(1)

    def forward_frames(self, clip: Tensor) -> Tensor:
        """Logits of every frame: ``[B, 3, T, H, W] -> [B, T', K]``, where T' is T less what the design pools."""
        raise NotImplementedError

    def forward_features(self, clip: Tensor) -> Tensor:
        """The backbone's last maps: ``[B, 3, T, H, W] -> [B, C', T', H', W']``."""
        raise NotImplementedError

    def forward_head(self, maps: Tensor) -> Tensor:
        """The frames' logits from the last maps, ``[B, C', T', H', W'] -> [B, T', K]``.

        ``forward_head(forward_features(clip))`` is ``forward_frames(clip)``. Here: the average over space, then the
        classifier.
        """
        return self.head(maps.mean((3, 4)).transpose(1, 2))

    def forward_maps(self, maps: Tensor) -> Tensor:
        """The clip's logits from the last maps: ``forward_maps(forward_features(clip))`` is ``forward(clip)``."""
        return self.forward_head(maps).mean(1)

    def step(self, frames: Tensor, state: State) -> tuple[Tensor, State]:
        """The next frames of each stream.

        Args:
            frames: ``[B, 3, step_frames, H, W]``, normalised.
            state: of :meth:`init_state` at the start of a clip, then what the last step returned.

        Returns:
            The running consensus ``[B, K]``, which after the last frame of a clip is ``forward(clip)``, and the state
            for the next step.
        """
        raise self._not_causal()

    def init_state(
        self,
        batch_size: int = 1,
        size: int | tuple[int, int] | None = None,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> State:
        """The state before the first frame: what each operator keeps, in order, then the consensus' sum and count.

        Args:
            batch_size: streams side by side.
            size: of the frames in pixels, one number or (height, width); the model's own by default.
            dtype: of the frames, the parameters' by default.
            device: of the frames, the parameters' by default.
        """
        raise self._not_causal()

    @property
    def plugged(self) -> list[str]:
        """A line per operator, ``<where>: <operator>``; of the operator only what it says of itself.

        Its layers are left out: they follow from that, and how torch prints them changes from version to version.
        """
        named = [(n, m) for n, m in self.named_modules() if isinstance(m, TemporalOperator)]
        return [f"{n.removesuffix('.temporal')}: {type(m).__name__}({m.extra_repr()})" for n, m in named]

    @property
    def reach(self) -> Reach | None:
        """Frames back and ahead that one frame's score depends on; ``None`` stands for the whole clip."""
        raise NotImplementedError

    def residual_blocks(self) -> list[tuple[str, nn.Module]]:
        """The backbone's residual blocks by name, in order; what ``info`` shows the maps of."""
        return residual_blocks(self.backbone)

    def adapt_weights(self, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        """Called with a weight file's content first: an image network's made into the backbone's; here: as they are.

        Raises:
            SpatempoError: the file is known to be of another form of this network; says which option makes it fit.
        """
        return weights

    def weights_loaded(self, layout: str, options: Mapping[str, Any]) -> None:
        """Called once foreign weights are in, for what else they ask of the network; here: nothing.

        Args:
            layout: the adapter's name, or an empty string.
            options: of the design, where the weights came from a checkpoint of spatempo's own.
        """

    def head_parameters(self) -> list[nn.Parameter]:
        """The new classifier's parameters, which the published recipe trains five times faster."""
        return list(self.head.parameters())

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """Computes every residual block again in the backward pass instead of keeping its maps in memory."""
        raise NotImplementedError

    def _not_causal(self) -> SpatempoError:
        how = "train it with `causal=True`" if "causal" in self.options else f"{self.design} has no causal form"
        return SpatempoError(f"{self.name} looks at future frames, so it cannot go frame by frame: {how}")

    def _check_clip(self, clip: Tensor, what: str = "a clip", frames: str = "T") -> None:
        """Refuses what the layers would refuse in words of their own.

        Args:
            clip: what a caller gave.
            what, frames: how the message calls it, and its third axis.
        """
        fed = self.preprocess
        if not isinstance(clip, Tensor):
            raise SpatempoError(f"{what} is a float tensor, got {type(clip).__name__}; {_MAKE_CLIP}")
        if clip.ndim != 5 or clip.shape[1] != fed.channels:
            parts = {"rgb": "", "flow": f" ({fed.stack} x flow x, y)", "rgbdiff": f" ({fed.stack} x R, G, B)"}
            raise SpatempoError(
                f"{what} is [B, {fed.channels}, {frames}, H, W]{parts[fed.modality]}, got shape {tuple(clip.shape)}"
            )
        if not clip.is_floating_point():
            kind = str(clip.dtype).removeprefix("torch.")
            raise SpatempoError(f"{what} is float, normalised by model.preprocess, got {kind}; {_MAKE_CLIP}")
        # Only in plain calls: a traced program has an own check of its dtype, and shapes that may be symbols.
        if torch.compiler.is_compiling():
            return
        if 0 in clip.shape:
            axis = "BCTHW"[tuple(clip.shape).index(0)]
            raise SpatempoError(f"{what} is empty, [B, C, T, H, W] is {list(clip.shape)}: give {axis} of at least 1")
        own = next((p.dtype for p in self.backbone.parameters() if p.is_floating_point()), clip.dtype)
        if clip.dtype != own and not torch.is_autocast_enabled(clip.device.type):
            got, wanted = (str(dtype).removeprefix("torch.") for dtype in (clip.dtype, own))
            raise SpatempoError(f"{what} is {got} and the model is {wanted}: convert one of them, as in clip.to({own})")
