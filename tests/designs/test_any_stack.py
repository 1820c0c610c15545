"""Every design accepts stacks of RGB frames; a design with other input must declare it at registration."""

from __future__ import annotations

import pytest

from spatempo import create_model
from spatempo.inputs import Preprocess
from spatempo.models import Build, Parts, register_design


def test_any_design_accepts_a_stack(check_design):
    model = check_design("tsm_smallresnet", modality="rgb", stack=5)
    assert model.backbone.conv1.in_channels == 15

    @register_design("late", source="a test")
    def late(build: Build) -> Parts:
        return Parts(input=Preprocess(stack=2))

    with pytest.raises(TypeError, match="changes the channels of its input"):
        create_model("late_smallresnet")
