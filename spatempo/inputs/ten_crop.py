"""The ten-crop test of image classification: four corners, the centre, and the mirror image of each.

:class:`TenCrop` is a :class:`~spatempo.inputs.spec.Preprocess` with these ten crops in addition to its own three, so a
data set that uses 10 crops needs no extra code. (TSM and TSN: ``GroupOverSample``.)
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from spatempo.inputs.spec import Preprocess

_PLACES = ("top-left", "top-right", "bottom-left", "bottom-right", "middle")
_MIRRORED = "mirrored "
TEN_CROPS = (*_PLACES, *(_MIRRORED + place for place in _PLACES))


@dataclass(frozen=True)
class TenCrop(Preprocess):
    """Input specification of a model with ten more crops."""

    @classmethod
    def extend(cls, preprocess: Preprocess) -> TenCrop:
        """Returns a :class:`TenCrop` with the values of `preprocess`."""
        return cls(**{f.name: getattr(preprocess, f.name) for f in fields(preprocess)})

    @staticmethod
    def crops(n: int) -> tuple[str, ...]:
        """Names of the crops for 1, 3 or 10."""
        return TEN_CROPS if n == 10 else Preprocess.crops(n)

    def _cut(self, images: np.ndarray, crop: str) -> np.ndarray:
        """Crops as :class:`Preprocess` does; `crop` may also be one of :data:`TEN_CROPS`."""
        if crop not in TEN_CROPS:
            return super()._cut(images, crop)
        free_h, free_w = images.shape[1] - self.size, images.shape[2] - self.size
        place = crop.removeprefix(_MIRRORED)
        # "middle" rounds down, close to the published (h - size) // 4 * 2; corners touch the borders
        top = free_h // 2 if place == "middle" else free_h * place.startswith("bottom")
        left = free_w // 2 if place == "middle" else free_w * place.endswith("right")
        images = images[:, top : top + self.size, left : left + self.size]
        # mirrored as bytes, so the float clip has its usual memory layout
        return self.mirror(images) if crop.startswith(_MIRRORED) else images
