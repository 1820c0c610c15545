"""Writes the fixtures of checkpoint format 1: what the code of commit 39c04f9 writes and computes.

``python tests/format1/make.py`` was run at that commit. It makes one file per model of ``configurations.py``::

    header      the JSON document in the metadata of model.safetensors ("spatempo", the only entry), keys in order
    tensors     name -> data type and shape of every tensor
    gain        standard deviation of weights, an argument of ``formula.fill``
    clip        shape [B, C, T, H, W] of the clips
    short_side  pixels to which ``preprocess`` of the loaded model resizes the short side
    logits      [B, K] in double precision, 12 significant digits, of tensors and clips of ``formula.py``

The files are the record of format 1: do not run it again with code that writes another format. ``--check`` compares
what the present code writes and computes with the files and changes nothing.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

import torch
from configurations import CONFIGURATIONS, TRAINED, gain
from formula import FILE, HERE, Fixture, clips, fill, layout, names, read, write_checkpoint
from safetensors import safe_open
from torch import Tensor

import spatempo
from spatempo.models.registry import create_model
from spatempo.models.video_model import VideoModel

# Parameters that cannot change the result: a bias common to both branches, or to all places, drops out of a softmax.
WITHOUT_EFFECT = (".attention.fc.bias", ".temporal.phi.bias")


def make(name: str, folder: Path) -> Fixture:
    """The fixture of one configuration, in whose making ``folder`` is used."""
    arguments = {"num_classes": 3, "frames": 4, "size": 32, **CONFIGURATIONS[name]}
    model = create_model(**arguments)
    trained = TRAINED.get(name, {})
    model.classes, model.clip_seconds = trained.get("classes"), trained.get("clip_seconds")
    spatempo.save_checkpoint(model, folder, recipe=trained.get("recipe"), metrics=trained.get("metrics"))
    fixture = _written(folder)
    shape = (3, model.preprocess.channels, model.preprocess.frames, model.preprocess.size, model.preprocess.size)
    tensors = fill(layout(fixture), gain(name))
    loaded = spatempo.load(write_checkpoint(folder, fixture["header"], tensors)).double()
    clip = clips(shape)
    logits = loaded(clip)
    _require_effect(name, loaded, logits)
    rows = [[float(f"{value:.12g}") for value in row] for row in logits.tolist()]
    return {
        **fixture,
        "gain": gain(name),
        "clip": list(shape),
        "short_side": loaded.preprocess.short_side,
        "logits": rows,
    }


def _written(folder: Path) -> Fixture:
    """Header and tensors as ``save_checkpoint`` wrote them."""
    assert [path.name for path in folder.iterdir()] == [FILE], "a checkpoint has other files: keep them too"
    with safe_open(folder / FILE, framework="pt") as content:
        metadata = content.metadata()
        slices = {key: content.get_slice(key) for key in content.keys()}  # noqa: SIM118
        tensors = {k: f"{s.get_dtype()} {'x'.join(map(str, s.get_shape()))}" for k, s in slices.items()}
    assert list(metadata) == ["spatempo"], "the metadata have another entry: keep it too"
    header = json.loads(metadata["spatempo"])
    assert json.dumps(header, ensure_ascii=False) == metadata["spatempo"], "the header cannot be kept as parsed JSON"
    return {"header": header, "tensors": dict(sorted(tensors.items()))}


def _require_effect(name: str, model: VideoModel, logits: Tensor) -> None:
    """Stops where a parameter or the choice of the clip has no effect on logits: a fixture would prove nothing."""
    assert torch.isfinite(logits).all(), name
    assert logits.abs().max() < 1e4, f"{name}: logits {logits}"
    assert (logits[0] - logits[1]).abs().max() > 1e-3 * logits.abs().max(), f"{name}: alike for two clips"
    logits[0].square().sum().backward()
    scale = logits[0].square().sum().item()
    for key, parameter in model.named_parameters():
        effect = 0.0 if parameter.grad is None else (parameter.grad * parameter).abs().max().item()
        if key.endswith(WITHOUT_EFFECT):
            assert effect < 1e-9 * scale, f"{name}: {key} has an effect"
        else:
            assert effect > 1e-6 * scale, f"{name}: {key} has no effect ({effect / scale:.1e})"


def text_of(fixture: Fixture) -> str:
    """JSON with one line per entry of the header, per tensor and per clip."""
    parts = []
    for key, value in fixture.items():
        if isinstance(value, dict):
            lines = (f"  {_json(k)}: {_json(v)}" for k, v in value.items())
            parts.append(f"{_json(key)}: {{\n" + ",\n".join(lines) + "\n}")
        else:
            parts.append(f"{_json(key)}: {_json(value)}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def differences(old: Fixture, new: Fixture) -> list[str]:
    """Names of the parts in which two fixtures differ; header and tensors also differ by the order of their keys."""
    found = [key for key in new if key != "logits" and _json(old.get(key)) != _json(new[key])]
    was, now = torch.tensor(old["logits"], dtype=torch.float64), torch.tensor(new["logits"], dtype=torch.float64)
    same = was.shape == now.shape and torch.allclose(now, was, rtol=1e-8, atol=1e-8 * float(was.abs().max()))
    return found if same else [*found, "logits"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="configurations (default: all)")
    parser.add_argument("--check", action="store_true", help="compare with the files instead of writing them")
    args = parser.parse_args()
    torch.set_num_threads(1)
    changed = []
    for name in args.names or CONFIGURATIONS:
        with tempfile.TemporaryDirectory() as folder:
            fixture = make(name, Path(folder))
        if not args.check:
            (HERE / f"{name}.json").write_text(text_of(fixture), encoding="utf-8")
        elif found := differences(read(name), fixture):
            changed.append(f"{name}: other {', '.join(found)}")
    if not args.names:
        changed += [f"{name}: not in configurations.py" for name in sorted(set(names()) - set(CONFIGURATIONS))]
    print("\n".join(changed) or f"{len(args.names or CONFIGURATIONS)} fixtures")
    return 1 if changed else 0


if __name__ == "__main__":
    sys.exit(main())
