"""A run that was interrupted and resumed gives the same result as an uninterrupted run, bit for bit."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from safetensors.torch import load_file
from tiny_runs import TINY

from spatempo.errors import SpatempoError
from spatempo.learning.state import load_state
from spatempo.learning.train import TrainResult, train

# 5 steps (of 4 clips) per epoch, 2 epochs; with dropout and flips, so that random numbers affect the result
SETTINGS: dict[str, Any] = {**TINY, "flip": "plain", "dropout": 0.5}


class Crash(L.Callback):
    """Raises an error after a number of batches of this process, like a kill between two steps without saving."""

    def __init__(self, after: int) -> None:
        self.after = after

    def on_train_batch_end(self, *args: Any) -> None:
        self.after -= 1
        if not self.after:
            raise RuntimeError("killed")


class Interrupt(Crash):
    """Sends SIGINT, like Ctrl-C."""

    def on_train_batch_start(self, *args: Any) -> None:
        self.after -= 1
        if not self.after:
            os.kill(os.getpid(), signal.SIGINT)

    def on_train_batch_end(self, *args: Any) -> None:
        pass


def run(clips: Path, out: Path, **settings: Any) -> TrainResult:
    return train(clips / "train.csv", val=clips / "val.csv", out=out, **{**SETTINGS, **settings})


def outcome(out: Path) -> dict[str, Any]:
    """Everything that must not depend on an interruption: weights, optimiser, average, history, both checkpoints."""
    state = load_state(out / "resume" / "state.pt")
    history = [{k: v for k, v in row.items() if k not in ("seconds", "clips_per_s")} for row in state["history"]]
    keep = ("done", "model", "optimizer", "scheduler", "ema", "best")
    files = {name: load_file(out / name / "model.safetensors") for name in ("best", "last")}
    return {**{k: state[k] for k in keep}, "history": history, **files}


def assert_same(a: Any, b: Any, where: str = "") -> None:
    if isinstance(a, torch.Tensor):
        assert torch.equal(a, b), where
    elif isinstance(a, dict):
        assert a.keys() == b.keys(), where
        for key in a:
            assert_same(a[key], b[key], f"{where}/{key}")
    elif isinstance(a, list):
        assert len(a) == len(b), where
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            assert_same(x, y, f"{where}/{i}")
    else:
        assert a == b, where


@pytest.fixture(scope="module")
def uninterrupted(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    out = tmp_path_factory.mktemp("uninterrupted")
    run(clips, out)
    return outcome(out)


def test_random_numbers_affect_the_result(clips: Path, uninterrupted: dict[str, Any], tmp_path: Path) -> None:
    """Otherwise the comparisons below could pass by accident."""
    run(clips, tmp_path, dropout=0.0)
    key = "head.fc.weight"
    assert not torch.equal(outcome(tmp_path)["model"][key], uninterrupted["model"][key])


def test_runs_are_reproducible(clips: Path, uninterrupted: dict[str, Any], tmp_path: Path) -> None:
    torch.manual_seed(99)  # the state of the caller's generator must not matter
    run(clips, tmp_path)
    assert_same(outcome(tmp_path), uninterrupted)


@pytest.mark.parametrize("after", [1, 4, 5, 8])
def test_interrupted_at_any_batch(clips: Path, uninterrupted: dict[str, Any], tmp_path: Path, after: int) -> None:
    """The last state (every 2 steps) is up to one step old; there is none before the first, and one per epoch end."""
    with pytest.raises(RuntimeError, match="killed"):
        run(clips, tmp_path, save_every=2, callbacks=[Crash(after)])
    result = run(clips, tmp_path, save_every=2, resume=after > 1)
    assert_same(outcome(tmp_path), uninterrupted)
    assert [row["epoch"] for row in result.history] == [1, 2]


CONFIGURATIONS = {
    "sgd, accumulating": {"optimizer": "sgd", "schedule": "onecycle", "batch_size": 2, "accumulate": 2, "lr": 0.01},
    "average, partial norms": {"optimizer": "sgd", "schedule": "onecycle", "ema": 0.9, "partial_bn": True, "lr": 0.01},
    "frozen, smoothing": {"freeze": True, "label_smoothing": 0.1, "schedule": "step", "color": 0.2},
}


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_interrupted_twice_with_several_recipes(clips: Path, tmp_path: Path, name: str) -> None:
    settings = CONFIGURATIONS[name]
    run(clips, tmp_path / "uninterrupted", **settings)
    out = tmp_path / "interrupted"
    per_epoch = 5 * settings.get("accumulate", 1)
    with pytest.raises(RuntimeError, match="killed"):
        run(clips, out, save_every=2, callbacks=[Crash(per_epoch - 1)], **settings)
    with pytest.raises(RuntimeError, match="killed"):
        run(clips, out, save_every=2, callbacks=[Crash(per_epoch)], resume=True, **settings)
    where = {key: SETTINGS[key] for key in ("model", "workers", "device", "quiet")}
    train(clips / "train.csv", val=clips / "val.csv", out=out, resume=True, **where)  # other settings come from the run
    assert_same(outcome(out), outcome(tmp_path / "uninterrupted"))


def test_interrupt_saves_the_state_and_prints_how_to_continue(
    clips: Path, uninterrupted: dict[str, Any], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        run(clips, tmp_path, callbacks=[Interrupt(7)])
    assert signal.getsignal(signal.SIGINT) is handler
    assert load_state(tmp_path / "resume" / "state.pt")["done"] == 7  # no step is lost
    error = capfd.readouterr().err
    assert "`resume` continues the run" in error.replace("\n", " ")
    assert str(tmp_path) in error.replace("\n", "")
    run(clips, tmp_path, resume=True)
    assert_same(outcome(tmp_path), uninterrupted)


def test_workers_end_with_the_run(clips: Path, tmp_path: Path) -> None:
    """At the end of the program they would get SIGTERM, which they delay for a minute."""
    with pytest.raises(KeyboardInterrupt) as caught:  # the error keeps references to all objects of the run
        run(clips, tmp_path, workers=1, callbacks=[Interrupt(7)])
    assert caught.value is not None
    assert not multiprocessing.active_children()


@pytest.mark.parametrize("epoch", [1, 2])
def test_interrupted_validation_is_repeated_on_resume(
    clips: Path, uninterrupted: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, epoch: int
) -> None:
    from spatempo.learning import run_callback

    real, calls = run_callback.validate, iter(range(1, 99))

    def interrupted(*args: Any, **kwargs: Any) -> Any:
        if next(calls) == epoch:
            os.kill(os.getpid(), signal.SIGINT)
        return real(*args, **kwargs)

    monkeypatch.setattr(run_callback, "validate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(clips, tmp_path)
    assert load_state(tmp_path / "resume" / "state.pt")["done"] == 5 * epoch
    assert len(load_state(tmp_path / "resume" / "state.pt")["history"]) == epoch - 1
    run(clips, tmp_path, resume=True)
    assert_same(outcome(tmp_path), uninterrupted)


def test_resuming_a_finished_run_changes_nothing(clips: Path, tmp_path: Path) -> None:
    first = run(clips, tmp_path)
    before = outcome(tmp_path)
    again = run(clips, tmp_path, resume=True)
    assert (again.top1, again.epochs, again.history) == (first.top1, first.epochs, first.history)
    assert_same(outcome(tmp_path), before)


EXTENDABLE_SCHEDULES = {
    "constant": {"schedule": "step", "warmup": 0.0, "steps": ()},
    # a drop at the first step of epoch 3: the run of two epochs ends just before it
    "drop after the end": {"schedule": "step", "warmup": 0.0, "steps": (1.0,), "then": {"steps": (0.5,)}},
    "the same warm-up": {"schedule": "step", "warmup": 0.4, "steps": (), "ema": 0.9, "then": {"warmup": 0.2}},
}


@pytest.mark.parametrize("name", EXTENDABLE_SCHEDULES)
def test_a_finished_run_can_be_extended(clips: Path, tmp_path: Path, name: str) -> None:
    """The result equals that of a run started with this number of epochs, bit for bit."""
    settings: dict[str, Any] = {**EXTENDABLE_SCHEDULES[name], "optimizer": "sgd", "lr": 0.01, "batch_size": 4}
    then = settings.pop("then", {})
    run(clips, tmp_path / "whole", **{**settings, **then, "epochs": 4})
    run(clips, tmp_path / "extended", **{**settings, "epochs": 2})
    result = run(clips, tmp_path / "extended", resume=True, **{**settings, **then, "epochs": 4})
    assert_same(outcome(tmp_path / "extended"), outcome(tmp_path / "whole"))
    assert result.epochs == 4
    recipes = [json.loads((tmp_path / run / "recipe.json").read_text()) for run in ("whole", "extended")]
    assert recipes[0] == recipes[1]
    # resuming again works: the extended run is now a run of four epochs
    assert run(clips, tmp_path / "extended", resume=True, **{**settings, **then, "epochs": 4}).epochs == 4


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        ({"schedule": "onecycle"}, "its onecycle schedule"),
        ({"schedule": "cosine"}, "its cosine schedule"),
        ({"schedule": "step", "warmup": 0.0, "steps": (0.5,)}, "or give `steps` and `warmup`"),
    ],
)
def test_more_epochs_are_refused_if_earlier_steps_would_change(
    clips: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], schedule: dict[str, Any], message: str
) -> None:
    run(clips, tmp_path, **schedule)
    before = outcome(tmp_path)
    with pytest.raises(SpatempoError, match=r"cannot be resumed with `epochs=4` after 2") as caught:
        run(clips, tmp_path, resume=True, epochs=4, **schedule)
    assert message in str(caught.value)
    assert f"`weights={tmp_path / 'best'}`" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert_same(outcome(tmp_path), before)
    capfd.readouterr()
    run(clips, tmp_path, resume=True, quiet=False, **schedule)
    printed = capfd.readouterr().err
    assert "the run is finished: all 2 epochs are done" in printed
    assert "of epoch 3" not in printed


def test_fewer_epochs_than_done_are_refused(clips: Path, tmp_path: Path) -> None:
    run(clips, tmp_path, schedule="step", warmup=0.0, steps=())
    with pytest.raises(SpatempoError, match="2 epochs are already done"):
        run(clips, tmp_path, resume=True, epochs=1, schedule="step", warmup=0.0, steps=())


def test_logs_have_no_gaps_and_no_duplicates(clips: Path, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="killed"):
        run(clips, tmp_path, callbacks=[Crash(8)])
    run(clips, tmp_path, resume=True)
    rows = (tmp_path / "logs" / "epochs.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == ["epoch", "1", "2"]


def test_other_settings_are_refused(clips: Path, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="killed"):
        run(clips, tmp_path, callbacks=[Crash(6)])
    with pytest.raises(SpatempoError, match=r"lr was 0.001, now 0.5"):
        run(clips, tmp_path, resume=True, lr=0.5)
    with pytest.raises(SpatempoError, match="validation data was 9 clips, now none"):
        train(clips / "train.csv", out=tmp_path, resume=True, **SETTINGS)
    with pytest.raises(SpatempoError, match="tsn_smallresnet"):
        run(clips, tmp_path, resume=True, model="tsn_smallresnet")


def test_nothing_to_resume(clips: Path, tmp_path: Path) -> None:
    with pytest.raises(SpatempoError, match="no run to resume"):
        run(clips, tmp_path / "new", resume=True)
    with pytest.raises(SpatempoError, match="give the folder of the run to continue \\(`out`\\)"):
        train(clips / "train.csv", resume=True, **SETTINGS)


SCRIPT = """
import sys

def main(root, out, kill_after, settings, signals):
    import os, signal
    import lightning as L
    import torch
    from spatempo.learning.train import train

    class Kill(L.Callback):
        left = int(kill_after)
        def on_train_batch_end(self, *args):
            self.left -= 1
            if not self.left:
                os.kill(os.getpid(), signal.SIGKILL) if signals == "kill" else os.killpg(0, signal.SIGTERM)

    torch.set_num_threads(1)
    train(root + "/train.csv", val=root + "/val.csv", out=out, save_every=1, callbacks=[Kill()], **eval(settings))

if __name__ == "__main__":  # spawned workers import this file, and need none of the imports above
    main(*sys.argv[1:])
"""


def kill_and_resume(clips: Path, out: Path, kill_after: int, signals: str = "kill", **settings: Any) -> dict[str, Any]:
    """A subprocess is ended in the middle of an epoch, and this process resumes the run.

    Args:
        signals: ``"kill"``: SIGKILL to the process; ``"terminate"``: SIGTERM to the process and its workers.
    """
    settings = {**SETTINGS, **settings}
    script = out.with_suffix(".py")
    script.write_text(SCRIPT, encoding="utf-8")
    words = [sys.executable, str(script), str(clips), str(out), str(kill_after), repr(settings), signals]
    done = subprocess.run(words, capture_output=True, timeout=300, check=False, start_new_session=True)
    code, saved = (-signal.SIGKILL, kill_after - 1) if signals == "kill" else (128 + signal.SIGTERM, kill_after)
    assert done.returncode == code, done.stderr.decode()[-2000:]
    state = load_state(out / "resume" / "state.pt")
    assert state["done"] == saved  # the callback of this test runs before the one that saves
    run(clips, out, resume=True, **{k: settings[k] for k in ("workers", "start_method") if k in settings})
    return outcome(out)


def test_killed_process(clips: Path, uninterrupted: dict[str, Any], tmp_path: Path) -> None:
    assert_same(kill_and_resume(clips, tmp_path / "run", 8), uninterrupted)


@pytest.mark.slow
@pytest.mark.parametrize(("workers", "start_method"), [(1, "spawn"), (2, "spawn"), (2, None)])
def test_killed_process_with_workers(
    clips: Path, uninterrupted: dict[str, Any], tmp_path: Path, workers: int, start_method: str | None
) -> None:
    """`uninterrupted` has no workers: neither workers nor the kill may change the result."""
    found = kill_and_resume(clips, tmp_path / "run", 8, workers=workers, start_method=start_method)
    assert_same(found, uninterrupted)


@pytest.mark.slow
def test_terminated_with_its_workers(clips: Path, uninterrupted: dict[str, Any], tmp_path: Path) -> None:
    """A cluster or ``timeout`` sends the signal to all processes; the current step is still finished and saved."""
    assert_same(kill_and_resume(clips, tmp_path / "run", 8, signals="terminate", workers=1), uninterrupted)


@pytest.fixture(autouse=True)
def _global_state_is_unchanged() -> Iterator[None]:
    """No test may change the deterministic mode for the next one."""
    before = torch.get_rng_state(), torch.are_deterministic_algorithms_enabled()
    yield
    assert torch.are_deterministic_algorithms_enabled() == before[1]
