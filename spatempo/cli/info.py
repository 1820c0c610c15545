"""``spatempo info NAME``: one design, measured and compared with what its paper says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from spatempo.cli.flags import Name
from spatempo.cli.flags import Options as NamedOptions
from spatempo.cli.output import count, print_table
from spatempo.cli.values import parse_options
from spatempo.errors import SpatempoError
from spatempo.terminal import say


@dataclass
class Options:
    """Show one design: parameters, MACs, shapes stage by stage, published figures."""

    name: Name
    """a design by its name (`spatempo models`), such as tsm_resnet50."""
    frames: int = 8
    """frames of a clip."""
    size: int | None = None
    """side of the square input in pixels: 224, or more where the backbone is made for more."""
    classes: int = 400
    """classes of the head."""
    option: NamedOptions = ()
    """an option of the design, such as shift_div=8 or p=1/8; repeatable."""
    json: bool = False
    """print one JSON document."""


def run(options: Options) -> dict[str, Any]:
    """Builds the design without weights (meta device) and counts.

    Raises:
        SpatempoError: an unknown design or option; says which names are near.
    """
    design = parse_options(options.option)

    from spatempo.models.info import describe

    given = {"frames": options.frames, "size": options.size, "num_classes": options.classes}
    if clash := sorted(given.keys() & design.keys()):
        raise SpatempoError(f"--option {clash[0]}=...: has a flag of its own (--frames, --size, --classes)")
    document = describe(options.name, **given, **design).to_json()
    document["published_all"] = document["published"]
    document["published"] = _nearest(document, options)
    return document


def _nearest(document: dict[str, Any], options: Options) -> dict[str, Any]:
    """The published figures of the network asked for, else the first of these settings, else a note that none are."""
    published = [f for f in document["published_all"] if (f["options"] or {}).items() <= document["options"].items()]
    asked = (options.frames, document["size"], options.classes)
    for figures in published:
        if (figures["frames"], figures["size"], figures["classes"]) == asked:
            return figures
    return published[0] if published else {"params": None, "macs": None, "note": "no published figures are known"}


def show(document: dict[str, Any]) -> None:
    """Prints the facts, the stages, and the published figures beside what the same settings come to here."""
    frames, size, reach = document["frames"], document["size"], document["temporal_receptive_field"]
    facts = [
        ("source", document["source"]),
        ("backbone", document["backbone"]),
        ("params", f"{document['params']:,}"),
        ("MACs", f"{document['macs']:,} ({count(document['macs'])}) of one view of {frames} x {size} x {size}"),
        *_products(document),
        ("classes", document["classes"]),
        ("temporal receptive field", reach if isinstance(reach, str) else f"{reach} frames"),
        ("operators plugged in", document["operators"]),
        ("causal", "yes" if document["causal"] else "no"),
    ]
    facts += [(f"option {name}", value) for name, value in document["options"].items()]
    print_table([document["name"], ""], facts)
    stages = [(stage["name"], stage["blocks"] or None, _shape(stage["shape"])) for stage in document["stages"]]
    say()
    print_table(["stage", "blocks", "shape C x T x H x W"], stages)
    say()
    for figures in document["published_all"]:
        network = f"{figures['frames']} x {figures['size']} x {figures['size']}, {figures['classes']} classes"
        network += "".join(f", {name}={value}" for name, value in (figures["options"] or {}).items())
        for key, title in (("params", "params"), ("macs", "MACs with products" if figures["products"] else "MACs")):
            if figures[key] is not None:
                ours = figures["ours"][key]
                apart = round(100 * (ours / figures[key] - 1), 1) + 0.0  # + 0.0: no -0.0
                say(f"published {title} {count(figures[key])}, ours {count(ours)} ({apart:+.1f}%), {network}")
        say(f"  {figures['note']}")


def _products(document: dict[str, Any]) -> list[tuple[str, str]]:
    """A second figure for MACs, where activations are multiplied with each other."""
    macs = document["macs_with_products"]
    if macs == document["macs"]:
        return []
    return [("MACs with products", f"{macs:,} ({count(macs)}), those of activations with each other included")]


def _shape(shape: list[int]) -> str:
    return " x ".join(map(str, shape))
