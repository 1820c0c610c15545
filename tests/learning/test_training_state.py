"""The file of the training state: atomic, with plain values only, and refused for another run."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest
import torch
from tiny_runs import largest_file

from spatempo.data.manifest import Manifest, Sample
from spatempo.errors import SpatempoError
from spatempo.inputs.spec import Preprocess
from spatempo.learning.network import start_network
from spatempo.learning.recipe import Recipe
from spatempo.learning.recipes import resolve
from spatempo.learning.state import check_same_run, fingerprint_data, load_state, save_state


def test_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "resume" / "state.pt"
    save_state({"done": 3, "weights": {"a": torch.arange(4.0)}, "best": None, "history": [{"x": 0.5}]}, path)
    state = load_state(path)
    assert torch.equal(state["weights"]["a"], torch.arange(4.0))
    assert (state["done"], state["best"], state["history"]) == (3, None, [{"x": 0.5}])
    assert os.listdir(path.parent) == ["state.pt"]


def test_full_disk_keeps_the_previous_state(tmp_path: Path) -> None:
    path = tmp_path / "state.pt"
    save_state({"done": 1}, path)
    with (
        largest_file(10_000),
        pytest.raises(SpatempoError, match=r"state\.pt: cannot be written \(File too large\)"),
    ):
        save_state({"done": 2, "weights": torch.zeros(100_000)}, path)
    assert load_state(path)["done"] == 1
    assert os.listdir(tmp_path) == ["state.pt"]


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("evil",)


@pytest.mark.parametrize("kind", ["cut", "text", "empty", "pickle", "other", "folder"])
def test_damaged_states_are_one_line_errors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "state.pt"
    save_state({"done": 1, "weights": torch.zeros(1000)}, path)
    if kind == "cut":
        path.write_bytes(path.read_bytes()[:-900])
    elif kind == "folder":
        path.unlink()
        path.mkdir()
    elif kind == "pickle":
        torch.save({"format": 1, "done": Evil()}, path)
    elif kind == "other":
        torch.save({"format": 99}, path)
    else:
        path.write_bytes(b"" if kind == "empty" else b"not a state")
    with pytest.raises(SpatempoError, match=r"state\.pt: ") as caught:
        load_state(path)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "evil").exists()


def test_bare_pickle_is_not_executed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("state.pt").write_bytes(pickle.dumps(Evil()))
    with pytest.raises(SpatempoError):
        load_state(Path("state.pt"))
    assert not Path("evil").exists()


def test_fingerprints_of_different_data_differ() -> None:
    def manifest(root: str, *clips: tuple[str, int]) -> Manifest:
        samples = tuple(Sample(f"{root}/{name}", label) for name, label in clips)
        return Manifest("x", Path(root), samples, ("a", "b"))

    base = fingerprint_data(manifest("/r", ("1", 0), ("2", 1)))
    assert fingerprint_data(manifest("/elsewhere", ("1", 0), ("2", 1))) == base  # the folder may move
    assert fingerprint_data(manifest("/r", ("1", 0), ("2", 0))) != base
    assert fingerprint_data(manifest("/r", ("2", 1), ("1", 0))) != base  # clips are referred to by index
    assert fingerprint_data(manifest("/r", ("1", 0))) != base
    assert fingerprint_data(None) is None


def test_different_settings_are_refused_and_listed() -> None:
    run = {"model": "tsm_x", "train": {"clips": 5, "digest": "a"}, "val": None, "recipe": {"lr": 0.1}, "devices": 1}
    path = Path("state.pt")
    check_same_run(run, {**run}, path)
    check_same_run(run, {**run, "recipe": {"lr": 0.1, "first_conv_lr": 1.0}}, path)  # a field that came later
    for change, words in [
        ({"model": "tsn_x"}, "model was 'tsm_x', now 'tsn_x'"),
        ({"train": {"clips": 6, "digest": "b"}}, "training data was 5 clips, now 6 clips"),
        ({"train": {"clips": 5, "digest": "b"}}, "5 clips (with other paths or labels)"),
        ({"val": {"clips": 2, "digest": "c"}}, "validation data was none, now 2 clips"),
        ({"recipe": {"lr": 0.2}}, "lr was 0.1, now 0.2"),
        ({"recipe": {"lr": 0.1, "first_conv_lr": 5.0}}, "first_conv_lr was 1.0, now 5.0"),
        ({"devices": 2}, "devices was 1, now 2"),
    ]:
        with pytest.raises(SpatempoError, match="created with different settings") as caught:
            check_same_run(run, {**run, **change}, path)
        assert words in str(caught.value)


def test_a_run_of_an_earlier_version_can_be_resumed() -> None:
    spec = Preprocess(size=48, resize=55).to_dict()
    now = {
        "model": "gsm_smallresnet",
        "options": {"placement": None, "ratio": None, "every": 1, "shuffle": False, "causal": False},
        "preprocess": spec,
    }
    then = {
        **now,
        "options": {"placement": None, "share": None, "shuffle": False, "causal": False},
        "preprocess": {**spec, "resize": None},
    }
    path = Path("state.pt")
    check_same_run(then, now, path)
    with pytest.raises(SpatempoError, match=r"options was .*'every': 1.* now .*'every': None"):
        check_same_run(then, {**now, "options": {**now["options"], "every": None}}, path)
    recipe = resolve(Recipe(size=48, frames=2), clips=4, classes=("a", "b"), short_side=None, weights=False)
    for before, short_side in ((then, 55), ({}, 54)):
        network = start_network("tsn_smallresnet", ["a", "b"], recipe, None, None, None, {}, before)
        assert network.preprocess.short_side == short_side
