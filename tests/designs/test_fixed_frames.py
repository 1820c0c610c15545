"""A design whose parameters depend on T: T is stored, and another T raises one clear error."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from spatempo import SpatempoError, create_model
from spatempo.models import Build, Head, Parts, load, register_design, save_checkpoint


class AllFrames(Head):
    """One linear layer on the concatenated features of all T frames, ``[B, T, F] -> [B, K]``."""

    per_frame = False

    def __init__(self, frames: int, features: int, num_classes: int) -> None:
        super().__init__()
        self.fc = nn.Linear(frames * features, num_classes)

    def forward(self, features: Tensor) -> Tensor:
        return self.fc(features.flatten(1))


def test_the_number_of_frames_is_part_of_the_model(check_design, tmp_path):
    @register_design("allframes", source="a test", fixed_frames=True)
    def allframes(build: Build) -> Parts:
        return Parts(head=AllFrames(build.frames, build.features, build.num_classes))

    model = check_design("allframes_smallresnet", frames=6, any_frames=False)
    assert model.fixed_frames == 6
    with pytest.raises(SpatempoError, match="made for clips of 6 frames and got 4: create it with frames=4"):
        model(torch.zeros(1, 3, 4, 32, 32))
    model = create_model("allframes_smallresnet", frames=5, num_classes=2)
    model.preprocess = replace(model.preprocess, frames=9)  # the parameters are still those for 5
    save_checkpoint(model, tmp_path)
    assert load(tmp_path).fixed_frames == 5


def test_a_name_can_be_registered_once_and_the_longest_match_is_used():
    @register_design("wide", source="a test")
    def wide(build: Build) -> None: ...

    @register_design("wide_open", source="a test")
    def wide_open(build: Build) -> None: ...

    assert create_model("wide_smallresnet").design == "wide"
    assert create_model("wide_open_smallresnet").design == "wide_open"
    with pytest.raises(ValueError, match="'wide' is registered already"):
        register_design("wide", source="another")(wide)


def test_an_error_in_the_code_of_a_design_keeps_its_traceback(tmp_path):
    broken = False

    @register_design("buggy", source="a test")
    def buggy(build: Build) -> None:
        if broken:
            raise TypeError("a mistake in the code of the design")

    save_checkpoint(create_model("buggy_smallresnet", num_classes=2), tmp_path)
    broken = True
    for build in (lambda: create_model("buggy_smallresnet"), lambda: load(tmp_path)):
        with pytest.raises(TypeError, match="a mistake"):
            build()
