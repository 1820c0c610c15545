"""``spatempo data scan DIR_OR_CSV``: open every clip and list unreadable clips with the reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from tyro.conf import Positional, arg

from spatempo.cli.flags import Count, Path, Text
from spatempo.cli.output import print_unreadable
from spatempo.terminal import print_line


@dataclass
class Options:
    """Open every clip, write a manifest, and list unreadable clips with the reason."""

    source: Annotated[Positional[str], arg(metavar="DIR_OR_CSV")]
    """a folder of class folders, a CSV (path,label), or a published list file."""
    out: Path = None
    """manifest to write: a CSV of the readable clips, with frames, fps and size."""
    workers: Count = None
    """number of decoding processes (default: one per core)."""
    full: bool = False
    """decode every frame instead of only the first, middle and last."""
    template: Text = None
    """name pattern of the images in frame folders, such as img_{:05d}.jpg (default: detected)."""
    json: bool = False
    """print one JSON document."""


def run(options: Options) -> dict[str, Any]:
    """Opens every clip; returns ``clips, readable, unreadable, manifest, rows``.

    Raises:
        SpatempoError: no clips, an invalid table, or a manifest that cannot be written.
    """
    from spatempo.data.scan import scan

    found = scan(options.source, options.workers, out=options.out, full=options.full, template=options.template)
    return {
        "clips": found.clips,
        "readable": found.readable,
        "unreadable": found.unreadable,
        "manifest": found.manifest,
        "rows": found.rows,
    }


def show(document: dict[str, Any]) -> None:
    """Prints the counts, and the unreadable files with the reasons."""
    print_line(f"{document['readable']} of {document['clips']} clips can be read")
    print_unreadable(document["unreadable"])
    if document.get("manifest"):
        print_line(f"manifest: {document['manifest']}")
