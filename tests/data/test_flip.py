"""Labels of mirrored clips."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spatempo.data.flip import check_flip_map, direction_flip_map, mirror_name
from spatempo.errors import SpatempoError

JESTER = """Doing other things, Drumming Fingers, No gesture, Pulling Hand In, Pulling Two Fingers In, Pushing
Hand Away, Pushing Two Fingers Away, Rolling Hand Backward, Rolling Hand Forward, Shaking Hand,
Sliding Two Fingers Down, Sliding Two Fingers Left, Sliding Two Fingers Right, Sliding Two Fingers
Up, Stop Sign, Swiping Down, Swiping Left, Swiping Right, Swiping Up, Thumb Down, Thumb Up, Turning
Hand Clockwise, Turning Hand Counterclockwise, Zooming In With Full Hand, Zooming In With Two
Fingers, Zooming Out With Full Hand, Zooming Out With Two Fingers"""


@pytest.mark.parametrize(
    ("name", "mirrored"),
    [
        ("left", "right"),
        ("Swiping Left", "Swiping Right"),
        ("SWIPE LEFT", "SWIPE RIGHT"),
        ("swipe_right", "swipe_left"),
        ("swipe-right2", "swipe-left2"),
        ("SwipeLeft", "SwipeRight"),
        ("TurnRightNow", "TurnLeftNow"),
        ("Pushing something from left to right", "Pushing something from right to left"),
        ("moving rightwards", "moving leftwards"),
        ("Turning Hand Clockwise", "Turning Hand Counterclockwise"),
        ("Turning Hand Counterclockwise", "Turning Hand Clockwise"),
        ("rotate counter-clockwise", "rotate clockwise"),
        ("anticlockwise", "clockwise"),
        ("CounterClockwise", "Clockwise"),
        ("circle_ccw", "circle_cw"),
        ("RotateCW", "RotateCCW"),
        ("Bright light", "Bright light"),
        ("uprighting, cleft, copyright", "uprighting, cleft, copyright"),
        ("Écrire à gauche", "Écrire à gauche"),
        ("", ""),
    ],
)
def test_mirror_name(name, mirrored):
    assert mirror_name(name) == mirrored


@given(st.text(alphabet="leftrighcwkLRC _-", max_size=20))
def test_mirroring_a_name_twice_restores_it(name):
    once = mirror_name(name)
    assert mirror_name(mirror_name(once)) == once


def test_flip_map_of_jester():
    classes = [" ".join(name.split()) for name in JESTER.split(",")]
    assert len(classes) == 27
    assert direction_flip_map(classes) == {11: 12, 12: 11, 16: 17, 17: 16, 21: 22, 22: 21}


def test_spelling_and_case_do_not_matter():
    assert direction_flip_map(["Turn LEFT", "turn right", "cw", "Counter Clockwise"]) == {0: 1, 1: 0, 2: 3, 3: 2}


def test_classes_without_directions_have_an_empty_map():
    assert direction_flip_map(["up", "down", "bright"]) == {}


@pytest.mark.parametrize(
    ("classes", "says"),
    [
        (["left", "right", "circle_ccw"], "'circle_ccw' .*'circle_cw' is not among the classes"),
        (["Swiping Left", "wave"], "'Swiping Right' is not among"),
        (["left", "Left", "right"], "is there twice"),
        (["wave left and right"], "'wave right and left' is not among"),
    ],
)
def test_a_direction_without_its_mirror_image_is_an_error(classes, says):
    with pytest.raises(SpatempoError, match=says):
        direction_flip_map(classes)


@pytest.mark.parametrize(("flip", "says"), [({0: 1}, None), ({0: 1, 1: 0}, None), ({2: 2}, None), ({0: 3}, "0 to 2")])
def test_check_flip_map(flip, says):
    classes = ["a", "b", "c"]
    if flip == {0: 1}:
        says = "symmetric"
    if says is None:
        check_flip_map(flip, classes)
    else:
        with pytest.raises(SpatempoError, match=says):
            check_flip_map(flip, classes)
