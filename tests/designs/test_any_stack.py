"""Stacks of RGB frames serve any design; a design that asks for other input must say so when it is registered."""

from __future__ import annotations

import pytest

from spatempo import create_model
from spatempo.inputs import Preprocess
from spatempo.models import Build, Parts, register_design


def test_any_design_takes_a_stack(everything_works):
    model = everything_works("tsm_smallresnet", modality="rgb", stack=5)
    assert model.backbone.conv1.in_channels == 15

    @register_design("late", source="a test")
    def late(build: Build) -> Parts:
        return Parts(input=Preprocess(stack=2))

    with pytest.raises(TypeError, match="changes the channels of its input"):
        create_model("late_smallresnet")
