"""Messages printed before a run starts."""

from __future__ import annotations

from spatempo.learning.devices import DeviceSetup
from spatempo.learning.extend import advice_when_finished
from spatempo.learning.plan import Plan
from spatempo.learning.progress import RunProgress
from spatempo.models.video_model import VideoModel


def announce(progress: RunProgress, plan: Plan, model: VideoModel, setup: DeviceSetup, start: int) -> None:
    """Prints the model, data, recipe and device, and where a resumed run starts."""
    recipe, train, val = plan.recipe, plan.identity["train"], plan.identity["val"]
    progress.say(
        f"{model.name} from {plan.identity['weights'] or 'random weights'}: {model.num_classes} classes, "
        f"{train['clips']} training clips, {val['clips'] if val else 'no'} validation clips"
    )
    progress.say(
        f"recipe {recipe.name}: {recipe.epochs} epochs of {plan.per_epoch // recipe.accumulate} steps of "
        f"{recipe.batch_size * recipe.accumulate * setup.world} clips, {recipe.frames} frames at {recipe.size} pixels, "
        f"{recipe.optimizer}, lr {recipe.lr:g} {recipe.schedule}; on {setup}; {plan.out}"
    )
    if start >= plan.total:
        progress.say(advice_when_finished(recipe, plan.out))
    elif start:
        progress.say(f"resuming after batch {start % plan.per_epoch} of epoch {start // plan.per_epoch + 1}")
