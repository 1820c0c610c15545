"""``spatempo info NAME``: one model, measured and compared with its published figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from spatempo.cli.flags import Count, Name
from spatempo.cli.flags import Options as NamedOptions
from spatempo.cli.output import count, print_table
from spatempo.cli.values import parse_options
from spatempo.errors import SpatempoError
from spatempo.terminal import print_line


@dataclass
class Options:
    """Show one model: parameters, MACs, output shape of each stage, published figures."""

    name: Name
    """name of a model (see `spatempo models`), such as tsm_resnet50."""
    frames: int = 8
    """number of frames per clip."""
    size: Count = None
    """height and width of the input in pixels (default: 224, or the size that the backbone was designed for)."""
    classes: int = 400
    """number of classes."""
    option: NamedOptions = ()
    """an option of the design, such as shift_div=8 or p=1/8; repeatable."""
    json: bool = False
    """print one JSON document."""


def run(options: Options) -> dict[str, Any]:
    """Builds the model without weights (meta device) and counts.

    Raises:
        SpatempoError: unknown model or option; the message suggests similar names.
    """
    design = parse_options(options.option)

    from spatempo.models.info import describe

    given = {"frames": options.frames, "size": options.size, "num_classes": options.classes}
    if clash := sorted(given.keys() & design.keys()):
        raise SpatempoError(f"--option {clash[0]}=...: use the flag instead (--frames, --size, --classes)")
    document = describe(options.name, **given, **design).to_json()
    document["published_all"] = document["published"]
    document["published"] = _nearest(document, options)
    return document


def _nearest(document: dict[str, Any], options: Options) -> dict[str, Any]:
    """Published figures with the same frames, size and classes, else the first with the same options, else a note."""
    published = [f for f in document["published_all"] if (f["options"] or {}).items() <= document["options"].items()]
    requested = (options.frames, document["size"], options.classes)
    for figures in published:
        if (figures["frames"], figures["size"], figures["classes"]) == requested:
            return figures
    return published[0] if published else {"params": None, "macs": None, "note": "no published figures are known"}


def show(document: dict[str, Any]) -> None:
    """Prints the properties, the stages, and the published figures next to those measured at the same settings."""
    frames, size, reach = document["frames"], document["size"], document["temporal_receptive_field"]
    facts = [
        ("source", document["source"]),
        ("backbone", document["backbone"]),
        ("params", f"{document['params']:,}"),
        ("MACs", f"{document['macs']:,} ({count(document['macs'])}) of one view of {frames} x {size} x {size}"),
        *_products(document),
        ("classes", document["classes"]),
        ("temporal receptive field", reach if isinstance(reach, str) else f"{reach} frames"),
        ("temporal operators", document["operators"]),
        ("causal", "yes" if document["causal"] else "no"),
    ]
    facts += [(f"option {name}", value) for name, value in document["options"].items()]
    print_table([document["name"], ""], facts)
    stages = [(stage["name"], stage["blocks"] or None, _shape(stage["shape"])) for stage in document["stages"]]
    print_line()
    print_table(["stage", "blocks", "shape C x T x H x W"], stages)
    print_line()
    for figures in document["published_all"]:
        network = f"{figures['frames']} x {figures['size']} x {figures['size']}, {figures['classes']} classes"
        network += "".join(f", {name}={value}" for name, value in (figures["options"] or {}).items())
        for key, title in (("params", "params"), ("macs", "MACs with products" if figures["products"] else "MACs")):
            if figures[key] is not None:
                ours = figures["ours"][key]
                apart = round(100 * (ours / figures[key] - 1), 1) + 0.0  # + 0.0: no -0.0
                print_line(f"published {title} {count(figures[key])}, ours {count(ours)} ({apart:+.1f}%), {network}")
        print_line(f"  {figures['note']}")


def _products(document: dict[str, Any]) -> list[tuple[str, str]]:
    """Second figure for MACs, for models that multiply activations with each other."""
    macs = document["macs_with_products"]
    if macs == document["macs"]:
        return []
    return [("MACs with products", f"{macs:,} ({count(macs)}), including products of activations with each other")]


def _shape(shape: list[int]) -> str:
    return " x ".join(map(str, shape))
