"""GSM and GSF in whole networks: initialisation, use of time, and processing frame by frame."""

from __future__ import annotations

import pytest
import torch
from networks import assert_close, clips, frames_seen, small

from spatempo.models.checkpoint import load, save_checkpoint
from spatempo.models.registry import create_model
from spatempo.operators.base import Reach

# --- the 2D network --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("backbone", "options"),
    [
        ("smallresnet", {}),
        ("smallresnet", {"placement": "conv3", "causal": True}),
        ("mobilenet_v2", {}),
        ("bninception", {}),
        ("inception_v3", {"causal": True}),
    ],
)
@torch.no_grad()
def test_initialised_exactly_as_the_2d_network(backbone, options):
    side = 72 if backbone == "inception_v3" else 64
    tsn = small(f"tsn_{backbone}", size=side)
    gsm = create_model(f"gsm_{backbone}", num_classes=3, dropout=0.0, size=side, **options).eval()
    missing, unexpected = gsm.load_state_dict(tsn.state_dict(), strict=False)
    assert not unexpected
    assert all(".temporal." in key for key in missing)
    clip = clips(size=side)
    assert torch.equal(gsm(clip), tsn(clip))
    for model in (tsn.train(), gsm.train()):  # also the batch norm statistics after a training step
        model(clip)
    assert all(torch.equal(gsm.state_dict()[k], v) for k, v in tsn.state_dict().items())
    shuffled = create_model(f"gsm_{backbone}", num_classes=3, dropout=0.0, size=side, shuffle=True, **options).eval()
    shuffled.load_state_dict(tsn.state_dict(), strict=False)
    assert (shuffled(clip) - tsn.eval()(clip)).abs().max() > 1e-2


# --- time ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["gsm_bninception", "gsf_bninception"])
@torch.no_grad()
def test_order_matters_and_clips_are_independent(name):
    model = small(name, size=64)
    for frames in (1, 4, 5):
        batch = clips(frames, 3, 64)
        out = model(batch)
        assert_close(torch.cat([model(batch[i : i + 1]) for i in range(3)]), out)
        assert_close(model(batch.contiguous(memory_format=torch.channels_last_3d)), out)
        if frames > 1:
            assert (model(batch.flip(2)) - out).abs().max() > 0.01 * out.abs().max()


@pytest.mark.parametrize(
    ("name", "reach"),
    [
        ("gsm_smallresnet", (Reach(10, 10), Reach(15, 0))),
        ("gsf_smallresnet", (Reach(15, 15), Reach(25, 0))),
    ],
)
@pytest.mark.parametrize("causal", [False, True])
def test_the_temporal_receptive_field_by_gradient(name, reach, causal):
    """Five blocks; the receptive fields of their operators add up."""
    model = small(name, causal=causal).double()
    want = reach[causal]
    assert model.reach == want
    at = want.past + 1
    assert frames_seen(model, at + want.future + 2, at) == list(range(1, at + want.future + 1))


@pytest.mark.parametrize(
    ("name", "side"),
    [
        *(("gsm_bninception", 64), ("gsf_bninception", 64), ("gsm_inception_v3", 72)),
        *(("gsm_smallresnet", 32), ("gsf_smallresnet", 32), ("gsm_mobilenet_v2", 32)),
    ],
)
@pytest.mark.parametrize("shuffle", [False, True])
@torch.no_grad()
def test_frame_by_frame_equals_the_whole_clip(name, side, shuffle):
    model = small(name, size=side, causal=True, shuffle=shuffle)
    clip = clips(6, size=side)
    state = model.init_state(2)
    for t in range(6):
        logits, state = model.step(clip[:, :, t : t + 1], state)
        if t == 3:  # no future frame was used
            assert_close(logits, model(clip[:, :, :4]))
    assert_close(logits, model(clip))
    assert (model(clip.flip(2)) - logits).abs().max() > 0.01 * logits.abs().max()


# --- checkpoints, export, bfloat16 -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["gsm_bninception", "gsf_inception_v3"])
@torch.no_grad()
def test_a_checkpoint_restores_the_model(tmp_path, name):
    model = small(name, size=72 if "v3" in name else 64, causal=True, shuffle=True)
    save_checkpoint(model, tmp_path)
    loaded = load(tmp_path)
    assert (loaded.options, loaded.plugged, loaded.preprocess) == (model.options, model.plugged, model.preprocess)
    clip = clips(size=model.preprocess.size)
    assert torch.equal(loaded(clip), model(clip))


@torch.no_grad()
def test_export():
    model = small("gsm_bninception", size=64, causal=True)
    batch = torch.export.Dim("batch", min=1)
    program = torch.export.export(model, (clips(size=64),), dynamic_shapes={"clip": {0: batch}})
    assert_close(program.module()(clips(batch=3, size=64)), model(clips(batch=3, size=64)))


def test_bfloat16_gradients_are_finite():
    model = small("gsf_bninception", size=64)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = model(clips(size=64)).float().square().mean()
    loss.backward()
    assert torch.isfinite(loss)
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in model.parameters())
