"""`diagnose`: from checkpoints to sentences and page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from networks import randomise

from spatempo.data.generated.make import make_data
from spatempo.data.manifest import Manifest, Sample, load_manifest
from spatempo.errors import SpatempoError
from spatempo.evaluation.inside.attention import attention_weights
from spatempo.evaluation.inside.gates import gate_statistics
from spatempo.evaluation.order.orders import OrderResults
from spatempo.evaluation.results.eval_result import measure
from spatempo.evaluation.scoring.evaluate import evaluate
from spatempo.evaluation.scoring.loading import manifest_for
from spatempo.inputs.spec import Preprocess
from spatempo.inputs.views import load_views
from spatempo.models.checkpoint import load, save_checkpoint
from spatempo.models.registry import create_model
from spatempo.operators.gate_shift import GateShift
from spatempo.report.figures import percent
from spatempo.studies.diagnosing.diagnose import diagnose
from spatempo.studies.diagnosing.look_inside import attention_sentence, gate_sentence, gate_strips
from spatempo.studies.diagnosing.time_examples import choose_videos, frames_as_images
from spatempo.studies.diagnosing.time_words import data_sentence, sentence, verdict_words
from spatempo.video.source import open_video


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    make_data(folder, preset="tiny", workers=1)
    return folder / "test.csv"


@pytest.fixture(scope="module")
def checkpoints(data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Models with random weights; TSN and TSM with two seeds."""
    classes = list(load_manifest(data).classes)
    folders = {}
    designs = [("tsn", "tsn", 2), ("tsm", "tsm", 2), ("tsn2", "tsn", 1), ("tsm2", "tsm", 1)]
    for name, design, seed in (*designs, ("sth", "sth", 0), ("gsm", "gsm", 0), ("gsf", "gsf", 0)):
        model = create_model(f"{design}_smallresnet", num_classes=len(classes), frames=4, size=32)
        randomise(model, seed, size=32)
        model.classes = classes
        folders[name] = save_checkpoint(model, tmp_path_factory.mktemp(name) / "best")
    return folders


def test_an_order_blind_model_and_one_that_sees_order(data: Path, checkpoints: dict[str, Path], tmp_path: Path) -> None:
    found = diagnose(checkpoints["tsn"], data, against=checkpoints["tsm"], out=tmp_path)
    assert found["ordered"] == found["shuffled"] == found["reversed"]
    assert (found["verdict"], found["scores_changed"]) == ("order-blind", 0.0)
    assert found["sentence"].endswith("It does not see order.")
    assert found["receptive_field"]["frames"] == 1
    assert found["families"]["direction"]["ordered"] == found["families"]["direction"]["shuffled"] == 0.5
    other = found["against"]
    assert other["scores_changed"] == 1.0
    assert other["receptive_field"]["frames"] == 4
    assert (found["data"]["temporal_name"], found["data"]["order_blind_name"]) == ("tsm_smallresnet", "tsn_smallresnet")
    assert found["data"]["order_blind"] == found["ordered"]
    assert found["data"]["temporal"] == other["ordered"]
    assert found["ordered"] == evaluate(load(checkpoints["tsn"]), data).top1
    page = Path(found["report"]).read_text(encoding="utf-8")
    assert "<h1>Use of frame order: tsn_smallresnet and tsm_smallresnet</h1>" in page
    for words in (found["sentence"], other["sentence"], found["data"]["sentence"]):
        assert words.replace("<", "&lt;").replace("'", "&#x27;") in page
    assert page.count("<div class='strip'>") >= 2
    assert not {"attention", "gates"} & (found.keys() | other.keys())
    assert "Inside the network" not in page
    assert "Where the gates" not in page


def test_a_model_instead_of_its_checkpoint(data: Path, checkpoints: dict[str, Path], tmp_path: Path) -> None:
    model = load(checkpoints["tsn"])
    found = diagnose(model, data, out=tmp_path)
    reference = diagnose(checkpoints["tsn"], data, out=tmp_path)
    assert found["checkpoint"] == model.name
    assert {**found, "checkpoint": ""} == {**reference, "checkpoint": ""}
    with pytest.raises(SpatempoError, match=r"needs a checkpoint, .* or an Engine, got Identity"):
        diagnose(torch.nn.Identity(), data, out=tmp_path)  # pyright: ignore


def test_attention_of_sth(data: Path, checkpoints: dict[str, Path], tmp_path: Path) -> None:
    found = diagnose(checkpoints["tsn"], data, against=checkpoints["sth"], out=tmp_path)
    assert "attention" not in found
    attention = found["against"]["attention"]
    assert attention["sentence"].startswith(f"sth_smallresnet gives time {percent(attention['temporal'])} of the att")
    del attention["sentence"]
    assert attention == attention_weights(load(checkpoints["sth"]), data).to_json()
    page = Path(found["report"]).read_text(encoding="utf-8")
    assert "Inside the network: attention of sth_smallresnet" in page
    for row in attention["stages"]:
        assert f"<th>{row['stage']}</th><td>{row['layers']}</td><td>{percent(row['temporal'])}</td>" in page


@pytest.mark.parametrize("design", ["gsm", "gsf"])
def test_gates_of_gsm_and_gsf(data: Path, checkpoints: dict[str, Path], tmp_path: Path, design: str) -> None:
    found = diagnose(checkpoints[design], data, out=tmp_path)
    gates = found["gates"]
    openings = {row["layer"]: row["open"] for row in gates["layers"]}
    most, least = max(openings, key=openings.__getitem__), min(openings, key=openings.__getitem__)
    extremes = f"most in {most} ({percent(openings[most])}), least in {least} ({percent(openings[least])})"
    assert extremes in gates.pop("sentence")
    assert gates == gate_statistics(load(checkpoints[design]), data).to_json()
    page = Path(found["report"]).read_text(encoding="utf-8")
    assert ("<th>weight of the shifted part</th>" in page) == (design == "gsf")
    videos = page[page.index("Where the gates are open") :]
    assert videos.count("<div class='strip'>") == page.count("<div class='strip'>") / 2  # the same videos
    assert "true class:" not in videos  # it is their title, and there are no predictions


def test_heat_maps_of_gates_are_means_over_layers_and_halves(data: Path, checkpoints: dict[str, Path]) -> None:
    model = load(checkpoints["gsm"])
    manifest = manifest_for(model, data)
    for shift in (m for m in model.modules() if isinstance(m, GateShift)):
        torch.nn.init.zeros_(shift.conv3D.weight)
        shift.bias.data = torch.tensor([0.5, -1.0])
    (strip,) = gate_strips(model, manifest, [3])
    assert strip.frames.shape == (4, 32, 32, 3)
    assert strip.title == strip.truth == manifest.classes[manifest.samples[3].label]
    expected = np.full((4, 32, 32), (np.tanh(0.5) + np.tanh(1)) / 2)
    np.testing.assert_allclose(strip.heat, expected, atol=1e-6)  # pyright: ignore


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        (("tsm", "tsm2"), "both see order; .*such as tsn_resnet50"),
        (("tsn", "tsn2"), "neither sees order; .*tsm_resnet50"),
    ],
)
def test_exactly_one_of_two_models_must_see_order(data, checkpoints, tmp_path, pair, message):
    with pytest.raises(SpatempoError, match=message):
        diagnose(checkpoints[pair[0]], data, against=checkpoints[pair[1]], out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


# --- sentences


def numbers(**changes: Any) -> dict[str, Any]:
    return {"name": "M", "n": 40, "ordered": 0.85, "shuffled": 0.5, "p_value": 1e-6, "verdict": "uses order"} | changes


def plain(text: str) -> str:
    return text.replace("\u00a0", " ")


@pytest.mark.parametrize(
    ("changes", "text", "short"),
    [
        (
            {"verdict": "order-blind", "shuffled": 0.85, "p_value": 1.0},
            "M: shuffling the frames changes nothing (accuracy 85.0 % either way). It does not see order.",
            "does not see order",
        ),
        (
            {},
            "M: accuracy 85.0 % in order, 50.0 % shuffled, a drop of 35.0 points (p < 0.001).",
            "drop when shuffled: 35.0 points",
        ),
        (
            {"verdict": "inconclusive", "shuffled": 0.8, "p_value": 0.5},
            "M: accuracy 85.0 % in order, 80.0 % shuffled. The scores change, but 40 videos do not show that the "
            "predictions need order (p 0.50).",
            "use of order: inconclusive",
        ),
        (
            {"verdict": "better when shuffled", "shuffled": 0.9, "p_value": 0.03},
            "M: accuracy 85.0 % in order, 90.0 % shuffled, so it is better on shuffled frames by 5.0 points (p 0.030).",
            "better on shuffled frames",
        ),
    ],
)
def test_sentences_are_no_stronger_than_the_statistical_test(changes, text, short):
    assert plain(sentence(numbers(**changes))) == text
    assert short == plain(verdict_words(numbers(**changes)))


def test_the_sentence_reports_families_of_pairs():
    families = {"direction": {"pairs": True, "ordered": 0.98, "shuffled": 0.5}, "control": {"pairs": False}}
    assert plain(sentence(numbers(families=families))).endswith(
        "Within pairs of a class and its reverse: direction 98.0 % in order, 50.0 % shuffled."
    )


def test_sentence_on_the_data():
    need = {
        "temporal_name": "TSM",
        "order_blind_name": "TSN",
        "temporal": 0.9,
        "order_blind": 0.5,
        "n": 100,
        "needs_order": 0.45,
        "only_order_blind": 0.05,
        "p_value": 1e-6,
        "per_group": {"a / b": {}, "c": {}},
        "groups_need_order": ["a / b"],
    }
    assert plain(data_sentence(need)) == (
        "The data: TSM has an accuracy of 90.0 % on 100 videos, TSN 50.0 %. On 45.0 % only TSM is correct, on 5.0 % "
        "only TSN. Order is needed in 1 of 2 classes or pairs: a / b."
    )
    assert "This does not show that the data need order (p 0.20)" in data_sentence({**need, "p_value": 0.2})
    assert "The order-blind model is better." in data_sentence({**need, "order_blind": 0.95})


def test_sentences_on_attention_and_gates():
    stages = [{"stage": "layer1", "temporal": 0.4}, {"stage": "layer2", "temporal": 0.75}]
    assert plain(attention_sentence("M", {"temporal": 0.6, "single_branch": 0.25, "stages": stages})) == (
        "M gives time 60.0 % of the attention (layer1 40.0 %, layer2 75.0 %). In 25.0 % of its channels one branch has "
        "more than 95 %."
    )
    layers = [{"layer": name, "open": opening} for name, opening in (("a", 0.1), ("b", 0.5), ("c", 0.3))]
    found = {"open": 0.3, "fully_open": 0.05, "layers": layers}
    text = (
        "M opens its gates by 30.0 % on average, most in b (50.0 %), least in a (10.0 %). 5.0 % of them are almost "
        "fully open (beyond 0.9)."
    )
    assert plain(gate_sentence("M", found)) == text
    found["fusion_weight"] = 0.44
    assert plain(gate_sentence("M", found)) == f"{text} The shifted part has a weight of 44.0 %."


# --- example videos


def test_videos_that_are_wrong_when_shuffled_come_first_and_one_failure_last():
    labels = [0, 0, 1, 1, 2, 2, 2]
    ordered = [0, 0, 1, 1, 2, 2, 0]
    shuffled = [0, 1, 1, 0, 2, 0, 0]

    def result(predictions: list[int]) -> Any:
        scores = torch.nn.functional.one_hot(torch.tensor(predictions), 3).float()
        # the video at index 0 of the manifest could not be read
        return measure(scores, torch.tensor(labels), ["a", "b", "c"], indices=range(1, 8))

    by_order = {"ordered": result(ordered)} | {f"shuffled {i}": result(shuffled) for i in range(3)}
    found = OrderResults(2, {}, by_order, {}, {}, 7, 1.0, False)
    samples = [Sample("/v/x", 0), *(Sample(f"/v/{i}", k, pair="ab" if k < 2 else None) for i, k in enumerate(labels))]
    manifest = Manifest("m", Path("/v"), tuple(samples), ("a", "b", "c"))
    assert choose_videos(found, manifest) == [2, 6, 7]  # wrong when shuffled: one of pair ab, one of c; a failure
    assert choose_videos(found, manifest, max_videos=2) == [2, 7]


def test_pictures_are_the_frames_of_the_video(data: Path):
    preprocess = Preprocess(frames=3, size=64, resize=64)
    with open_video(load_manifest(data).samples[0].path) as source:
        clip = load_views(source, preprocess)[0]
        frames = source.read([int(i) for i in (4, 12, 20)], short_side=64)
    assert np.abs(frames_as_images(clip, preprocess).astype(int) - frames).max() <= 1
    assert frames_as_images(torch.zeros(3, 2, 224, 224), Preprocess()).shape == (2, 96, 96, 3)
