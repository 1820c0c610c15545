"""VSN's shuffle as one transposition of maps whose channels are last, which engines copy in long runs."""

from __future__ import annotations

from spatempo.operators.shuffle import VideoShuffle
from spatempo.runtime.graph import aten, channels
from spatempo.runtime.rules.rule import Rule, Site


def shuffle_clip(site: Site) -> None:
    """Replaces the call of a :class:`~spatempo.operators.shuffle.VideoShuffle`; T is a number in such a network."""
    assert isinstance(site.operator, VideoShuffle)
    total, frames = channels(site.x), int(site.frames)
    height, width = (int(side) for side in site.x.meta["val"].shape[2:])
    graph = site.graph
    with graph.before(site.call):
        last = graph.call(aten.permute.default, site.x, [0, 2, 3, 1])
        apart = graph.call(aten.reshape.default, last, [frames, -1, frames, total // frames])
        swapped = graph.call(aten.permute.default, apart, [2, 1, 0, 3])
        whole = graph.call(aten.reshape.default, swapped, [-1, height, width, total])
        site.call.replace_all_uses_with(graph.call(aten.permute.default, whole, [0, 3, 1, 2]))


SHUFFLE = Rule(shuffle_clip, layouts=("frames",))
