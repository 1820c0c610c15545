"""`diagnose` from checkpoints to words and page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from networks import randomise

from spatempo.data.generated.make import make
from spatempo.data.manifest import Manifest, Sample, load_manifest
from spatempo.data.views import load_views
from spatempo.errors import SpatempoError
from spatempo.evaluation.evaluate import evaluate
from spatempo.evaluation.orders import OrderResults
from spatempo.evaluation.result import measure
from spatempo.models.checkpoint import load, save_checkpoint
from spatempo.models.registry import create_model
from spatempo.preprocess import Preprocess
from spatempo.studies.diagnose import diagnose
from spatempo.studies.time_examples import choose_videos, pictures
from spatempo.studies.time_words import data_sentence, sentence, verdict_words
from spatempo.video.source import open_video


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    make(folder, preset="tiny", workers=1)
    return folder / "test.csv"


@pytest.fixture(scope="module")
def checkpoints(data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A TSN and a TSM of random weights; more by other seeds."""
    classes = list(load_manifest(data).classes)
    folders = {}
    for name, design, seed in (("tsn", "tsn", 0), ("tsm", "tsm", 0), ("tsn2", "tsn", 1), ("tsm2", "tsm", 1)):
        model = create_model(f"{design}_smallresnet", num_classes=len(classes), frames=4, size=32)
        randomise(model, seed, size=32)
        model.classes = classes
        folders[name] = save_checkpoint(model, tmp_path_factory.mktemp(name) / "best")
    return folders


def test_a_blind_model_and_its_twin(data: Path, checkpoints: dict[str, Path], tmp_path: Path) -> None:
    found = diagnose(checkpoints["tsn"], data, against=checkpoints["tsm"], out=tmp_path)
    assert found["ordered"] == found["shuffled"] == found["reversed"]
    assert (found["verdict"], found["scores_changed"]) == ("blind", 0.0)
    assert found["sentence"].endswith("it sees no order.")
    assert found["receptive_field"]["frames"] == 1
    assert found["families"]["direction"]["ordered"] == found["families"]["direction"]["shuffled"] == 0.5
    twin = found["against"]
    assert twin["scores_changed"] == 1.0
    assert twin["receptive_field"]["frames"] == 4
    assert (found["data"]["temporal_name"], found["data"]["blind_name"]) == ("tsm_smallresnet", "tsn_smallresnet")
    assert found["data"]["blind"] == found["ordered"]
    assert found["data"]["temporal"] == twin["ordered"]
    assert found["ordered"] == evaluate(load(checkpoints["tsn"]), data).top1
    page = Path(found["report"]).read_text(encoding="utf-8")
    for words in (found["sentence"], twin["sentence"], found["data"]["sentence"]):
        assert words.replace("<", "&lt;").replace("'", "&#x27;") in page
    assert page.count("<div class='strip'>") >= 2


@pytest.mark.parametrize(
    ("pair", "says"),
    [
        (("tsm", "tsm2"), "both see order; .*such as tsn_resnet50"),
        (("tsn", "tsn2"), "neither sees order; .*tsm_resnet50"),
    ],
)
def test_twins_must_differ_in_what_they_see(data, checkpoints, tmp_path, pair, says):
    with pytest.raises(SpatempoError, match=says):
        diagnose(checkpoints[pair[0]], data, against=checkpoints[pair[1]], out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


# --- words


def numbers(**changes: Any) -> dict[str, Any]:
    return {"name": "M", "n": 40, "ordered": 0.85, "shuffled": 0.5, "p_value": 1e-6, "verdict": "uses order"} | changes


def plain(text: str) -> str:
    return text.replace("\u00a0", " ")


@pytest.mark.parametrize(
    ("changes", "told", "short"),
    [
        (
            {"verdict": "blind", "shuffled": 0.85, "p_value": 1.0},
            "M: shuffling the frames changes nothing (85.0 % right either way): it sees no order.",
            "it sees no order",
        ),
        ({}, "M: 85.0 % right in order, 50.0 % shuffled: order is worth 35.0 points (p < 0.001).", "worth 35.0 points"),
        (
            {"verdict": "not shown", "shuffled": 0.8, "p_value": 0.5},
            "M: 85.0 % right in order, 80.0 % shuffled: 40 videos do not show that its answers need order (p 0.50), "
            "though scores change.",
            "no use of order can be shown",
        ),
        (
            {"verdict": "better shuffled", "shuffled": 0.9, "p_value": 0.03},
            "M: 85.0 % right in order, 90.0 % shuffled: it does better on shuffled frames, by 5.0 points (p 0.030).",
            "better on shuffled frames",
        ),
    ],
)
def test_sentences_say_no_more_than_the_test(changes, told, short):
    assert plain(sentence(numbers(**changes))) == told
    assert short in verdict_words(numbers(**changes))


def test_pairs_are_told_where_there_are_some():
    families = {"direction": {"pairs": True, "ordered": 0.98, "shuffled": 0.5}, "control": {"pairs": False}}
    assert plain(sentence(numbers(families=families))).endswith(
        "Within pairs of a class and its reverse: direction 98.0 % in order, 50.0 % shuffled."
    )


def test_words_on_the_data():
    need = {
        "temporal_name": "TSM",
        "blind_name": "TSN",
        "temporal": 0.9,
        "blind": 0.5,
        "n": 100,
        "needs_order": 0.45,
        "only_blind": 0.05,
        "p_value": 1e-6,
        "per_group": {"a / b": {}, "c": {}},
        "groups_need_order": ["a / b"],
    }
    assert plain(data_sentence(need)) == (
        "The data: TSM gets 90.0 % of 100 videos, TSN 50.0 %; 45.0 % are right with TSM only, 5.0 % with TSN only. "
        "Order is needed in 1 of 2 classes or pairs: a / b."
    )
    assert "not shown (p 0.20)" in data_sentence({**need, "p_value": 0.2})
    assert "order-blind model is the better one" in data_sentence({**need, "blind": 0.95})


# --- videos to look at


def test_videos_that_shuffling_breaks_come_first_and_one_failure_last():
    labels = [0, 0, 1, 1, 2, 2, 2]
    ordered = [0, 0, 1, 1, 2, 2, 0]
    shuffled = [0, 1, 1, 0, 2, 0, 0]

    def result(answers: list[int]) -> Any:
        scores = torch.nn.functional.one_hot(torch.tensor(answers), 3).float()
        # the video at index 0 of the manifest could not be read
        return measure(scores, torch.tensor(labels), ["a", "b", "c"], indices=range(1, 8))

    by_order = {"ordered": result(ordered)} | {f"shuffled {i}": result(shuffled) for i in range(3)}
    found = OrderResults(2, {}, by_order, {}, {}, 7, 1.0, False)
    samples = [Sample("/v/x", 0), *(Sample(f"/v/{i}", k, pair="ab" if k < 2 else None) for i, k in enumerate(labels))]
    manifest = Manifest("m", Path("/v"), tuple(samples), ("a", "b", "c"))
    assert choose_videos(found, manifest) == [2, 6, 7]  # broken: one of the pair ab, one of c; then the failure
    assert choose_videos(found, manifest, most=2) == [2, 7]


def test_pictures_are_the_frames_that_were_read(data: Path):
    fed = Preprocess(frames=3, size=64, resize=64)
    with open_video(load_manifest(data).samples[0].path) as source:
        clip = load_views(source, fed)[0]
        frames = source.read([int(i) for i in (4, 12, 20)], short_side=64)
    assert np.abs(pictures(clip, fed).astype(int) - frames).max() <= 1
    assert pictures(torch.zeros(3, 2, 224, 224), Preprocess()).shape == (2, 96, 96, 3)
