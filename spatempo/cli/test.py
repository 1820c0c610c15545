"""``spatempo test CHECKPOINT DATA``: evaluate a checkpoint on labelled videos."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from tyro.conf import UseAppendAction, arg

from spatempo.cli.flags import Checkpoint, Count, Data, Path, Protocol
from spatempo.cli.output import counted, percent, print_table, print_unreadable
from spatempo.errors import SpatempoError
from spatempo.terminal import say

Others = Annotated[UseAppendAction[tuple[str, ...]], arg(metavar="CHECKPOINT", help_behavior_hint="(repeatable)")]
AVERAGES = {"logits": "logits averaged", "softmax": "probabilities averaged"}


@dataclass
class Options:
    """Evaluate a checkpoint on labelled videos.

    Scores are averaged over the views (clips x crops) of a video. Take a published protocol by its name, or say how
    many clips and crops. Videos that cannot be read are counted and listed with their reason, and are left out of
    the accuracy.
    """

    checkpoint: Checkpoint
    """a checkpoint folder, such as runs/demo/tsm/best."""
    data: Data
    """a folder of class folders, a CSV (path,label), or a published list file."""
    protocol: Protocol = None
    clips: Count = None
    """clips taken over the length of every video, their scores averaged."""
    crops: Count = None
    """squares cut out of every frame, also averaged: 1 (middle), 3 (left, middle, right) or 10 (with mirror images)."""
    batch_size: int = 16
    """views scored at a time."""
    workers: Count = None
    """processes that decode videos, 0 decodes in this one; one less than the cores if left out."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:1, mps."""
    ensemble: Others = ()
    """another checkpoint of the same classes; the answer is then that of the mean of all their logits."""
    scores: Path = None
    """write the scores of every video to this parquet file, for fusion (needs pyarrow)."""
    json: bool = False
    """print one JSON document."""


def run(options: Options) -> dict[str, Any]:
    """Evaluates; returns the document of ``test``: accuracies are shares in 0..1.

    With ``--scores`` also ``scores``, the file. With ``--ensemble`` everything is the ensemble's, and ``members`` has
    ``{checkpoint, top1}`` of each. Data whose table names families and pairs (as the generated data does) get
    ``families`` and ``pairs`` as well.

    Raises:
        SpatempoError: no checkpoint, unusable data, an unknown protocol, a protocol and clips or crops at once, or
            checkpoints of different classes.
    """
    if options.protocol is not None and (options.clips is not None or options.crops is not None):
        raise SpatempoError(
            f"--protocol {options.protocol} already says how many clips and crops: drop --clips and --crops"
        )
    from spatempo.data.manifest import load_manifest
    from spatempo.evaluation.results.families import families
    from spatempo.evaluation.results.score_files import require_pyarrow, save_scores
    from spatempo.evaluation.scoring.ensemble import evaluate_ensemble
    from spatempo.evaluation.scoring.evaluate import evaluate
    from spatempo.learning.clips import default_workers
    from spatempo.models.checkpoint import describe_checkpoint, load

    if options.scores is not None:
        require_pyarrow()  # told before the test, not after
    classes = describe_checkpoint(options.checkpoint).classes
    for other in options.ensemble:
        if describe_checkpoint(other).classes != classes:
            raise SpatempoError(
                f"--ensemble {other}: its classes are not those of {options.checkpoint}, in that order; take networks "
                "that were trained on the same classes"
            )
    manifest = load_manifest(options.data, classes=classes)
    how: dict[str, Any] = {
        "protocol": options.protocol,
        "clips": options.clips,
        "crops": options.crops,
        "batch_size": options.batch_size,
        "workers": default_workers() if options.workers is None else options.workers,
        "device": options.device,
        "progress": True,
    }
    if options.ensemble:
        checkpoints = (options.checkpoint, *options.ensemble)
        result, members = evaluate_ensemble(map(load, checkpoints), manifest, **how)
        own = [{"checkpoint": path, "top1": one.top1} for path, one in zip(checkpoints, members, strict=True)]
        document = result.to_json() | {"members": own}
    else:
        result = evaluate(load(options.checkpoint), manifest, **how)
        document = result.to_json()
    if options.scores is not None:
        document["scores"] = str(save_scores(result, options.scores))
    if any(sample.family for sample in manifest.samples):
        document |= families(result, manifest).to_json()
    return document


def show(document: dict[str, Any]) -> None:
    """Prints the accuracies and the per-class table."""
    views = f"{counted(document['clips'], 'clip')} x {counted(document['crops'], 'crop')}"
    if document["clips"] * document["crops"] > 1:
        views += f", {AVERAGES[document['average']]}"
    say(
        f"top-1 {percent(document['top1'])}   top-5 {percent(document['top5'])}   "
        f"mean class {percent(document['mean_class'])}   ({counted(document['n'], 'video')}, {views})"
    )
    say()
    if "members" in document:
        print_table(["of", "top-1"], [(one["checkpoint"], percent(one["top1"])) for one in document["members"]])
        say()
    rows = [(label, percent(accuracy)) for label, accuracy in document["per_class"].items()]
    print_table(["class", "top-1"], rows)
    if "families" in document:
        say()
        named = [
            (family, percent(found["top1"]), percent(found["within_pair"]))
            for family, found in document["families"].items()
        ]
        print_table(["family", "top-1", "within the pair"], named)
    if "scores" in document:
        say()
        say(f"scores: {document['scores']}")
    print_unreadable(document["unreadable"])
