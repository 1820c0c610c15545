"""``spatempo data scan DIR_OR_CSV``: open every clip, say what cannot be read and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from tyro.conf import Positional, arg

from spatempo.cli.flags import Count, Path, Text
from spatempo.cli.output import print_unreadable
from spatempo.terminal import say


@dataclass
class Options:
    """Open every clip, write a manifest, list what cannot be read and why."""

    source: Annotated[Positional[str], arg(metavar="DIR_OR_CSV")]
    """a folder of class folders, a CSV (path,label), or a published list file."""
    out: Path = None
    """the manifest to write: a CSV of the clips that can be read, with frames, fps and size."""
    workers: Count = None
    """processes that decode; one a core if left out."""
    full: bool = False
    """decode every frame, not only the first, middle and last."""
    template: Text = None
    """how images of frame folders are named, such as img_{:05d}.jpg; found out if left out."""
    json: bool = False
    """print one JSON document."""


def run(options: Options) -> dict[str, Any]:
    """Opens every clip; returns ``clips, readable, unreadable, manifest, rows``.

    Raises:
        SpatempoError: no clips, a broken table, or a manifest that cannot be written.
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
    """Prints the counts and the unreadable files with their reasons."""
    say(f"{document['readable']} of {document['clips']} clips can be read")
    print_unreadable(document["unreadable"])
    if document.get("manifest"):
        say(f"manifest: {document['manifest']}")
