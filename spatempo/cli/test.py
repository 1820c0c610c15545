"""``spatempo test CHECKPOINT DATA``: evaluate a checkpoint on labelled videos."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

from tyro.conf import UseAppendAction, arg

from spatempo.cli.flags import Checkpoint, Count, Data, Path, Protocol
from spatempo.cli.output import counted, percent, print_table, print_unreadable
from spatempo.errors import SpatempoError
from spatempo.terminal import print_line

Others = Annotated[UseAppendAction[tuple[str, ...]], arg(metavar="CHECKPOINT", help_behavior_hint="(repeatable)")]
AVERAGES = {"logits": "logits averaged", "softmax": "probabilities averaged"}


@dataclass
class Options:
    """Evaluate a checkpoint on labelled videos.

    Scores are averaged over the views (clips x crops) of a video. Give the name of a published protocol, or the number
    of clips and crops. Unreadable videos are listed with the reason and do not count in the accuracy.
    """

    checkpoint: Checkpoint
    """a checkpoint folder, such as runs/demo/tsm/best, or an exported file (.onnx, or an OpenVINO folder)."""
    data: Data
    """a folder of class folders, a CSV (path,label), or a published list file."""
    protocol: Protocol = None
    clips: Count = None
    """clips per video, spread over its length; their scores are averaged (default: 1)."""
    crops: Count = None
    """crops per frame, averaged as well: 1 (centre), 3 (left, centre, right) or 10 (with mirrored crops)
    (default: 1)."""
    batch_size: int = 16
    """views per forward pass."""
    workers: Count = None
    """processes that decode videos; 0: no extra process (default: number of cores minus one, at most 8)."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:1, mps."""
    ensemble: Others = ()
    """additional checkpoint or exported file with the same classes; predictions then use the mean of all logits."""
    scores: Path = None
    """write the scores of every video to this parquet file, for fusion (needs pyarrow)."""
    json: bool = False
    """print one JSON document."""


def run(options: Options) -> dict[str, Any]:
    """Evaluates; returns the document of ``test`` with accuracies as fractions in 0..1.

    With ``--scores``, the document also contains ``scores``, the path of the file. With ``--ensemble``, all results
    are those of the ensemble, and ``members`` contains ``{checkpoint, top1}`` of each checkpoint. If the table of the
    data has families and pairs (as generated data does), the document also contains ``families`` and ``pairs``.

    Raises:
        SpatempoError: no checkpoint, invalid data, an unknown protocol, a protocol together with clips or crops, or
            checkpoints with different classes.
    """
    if options.protocol is not None and (options.clips is not None or options.crops is not None):
        raise SpatempoError(
            f"--protocol {options.protocol} sets the number of clips and crops: drop --clips and --crops"
        )
    from spatempo.data.manifest import load_manifest
    from spatempo.evaluation.results.families import families
    from spatempo.evaluation.results.score_files import require_pyarrow, save_scores
    from spatempo.evaluation.scoring.ensemble import evaluate_ensemble
    from spatempo.evaluation.scoring.evaluate import evaluate
    from spatempo.learning.clips import default_workers
    from spatempo.runtime.load import classes_of, load_classifier

    if options.scores is not None:
        require_pyarrow()  # fails before the test, not after it
    classes = classes_of(options.checkpoint)
    for other in options.ensemble:
        if classes_of(other) != classes:
            raise SpatempoError(
                f"--ensemble {other}: its classes, or their order, differ from those of {options.checkpoint}; use "
                "checkpoints that were trained on the same classes"
            )
    load = partial(load_classifier, device=options.device)
    manifest = load_manifest(options.data, classes=classes)
    settings: dict[str, Any] = {
        "protocol": options.protocol,
        "clips": options.clips,
        "crops": options.crops,
        "batch_size": options.batch_size,
        "workers": default_workers() if options.workers is None else options.workers,
        "progress": True,
    }
    if options.ensemble:
        checkpoints = (options.checkpoint, *options.ensemble)
        result, members = evaluate_ensemble(map(load, checkpoints), manifest, **settings)
        own = [{"checkpoint": path, "top1": one.top1} for path, one in zip(checkpoints, members, strict=True)]
        document = result.to_json() | {"members": own}
    else:
        result = evaluate(load(options.checkpoint), manifest, **settings)
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
    print_line(
        f"top-1 {percent(document['top1'])}   top-5 {percent(document['top5'])}   "
        f"mean class {percent(document['mean_class'])}   ({counted(document['n'], 'video')}, {views})"
    )
    print_line()
    if "members" in document:
        print_table(["checkpoint", "top-1"], [(one["checkpoint"], percent(one["top1"])) for one in document["members"]])
        print_line()
    rows = [(label, percent(accuracy)) for label, accuracy in document["per_class"].items()]
    print_table(["class", "top-1"], rows)
    if "families" in document:
        print_line()
        named = [
            (family, percent(found["top1"]), percent(found["within_pair"]))
            for family, found in document["families"].items()
        ]
        print_table(["family", "top-1", "within the pair"], named)
    if "scores" in document:
        print_line()
        print_line(f"scores: {document['scores']}")
    print_unreadable(document["unreadable"])
