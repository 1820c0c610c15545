"""Index of the frames of a file, built from its packets without decoding them.

Reading all packets of a ten-second clip takes about 2 ms, decoding it 100 ms. Packets show how many frames there are,
their display order, the key frame from which each can be decoded, and which of them no other frame needs. This
information is not always correct. So `index_packets` returns an index only if each packet is known to be one frame, and
otherwise the reason why there is none. The reader then decodes the whole file once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import av
import numpy as np
from av.error import FFmpegError
from av.video.stream import VideoStream

# Codecs whose packets are one displayed frame each, if they pass the checks below. In other codecs packets and frames
# differ in ways that only decoding shows: MPEG-4 part 2 (packets that repeat a frame or contain two), MPEG-2 (fields),
# VP8 (hidden frames). Untested codecs are not listed.
_ONE_FRAME_PER_PACKET = {"h264", "hevc", "vp9", "av1", "mjpeg", "ffv1"}
UNKNOWN = np.iinfo(np.int64).min  # a decoding time that is not in the container


@dataclass(frozen=True)
class PacketIndex:
    """P packets in decoding order and n frames in display order.

    Attributes:
        pts: presentation time of every packet, in the stream's time base. int64 [P].
        dts: decoding time, or UNKNOWN. int64 [P].
        shown: packets with a displayed frame (edit lists hide some). bool [P].
        spare: packets that no other packet needs for decoding. bool [P].
        packet: the packet of every frame. int64 [n].
        entry: the key packet from which every frame can be decoded exactly. int64 [n].
    """

    pts: np.ndarray
    dts: np.ndarray
    shown: np.ndarray
    spare: np.ndarray
    packet: np.ndarray
    entry: np.ndarray

    @property
    def nbytes(self) -> int:
        return sum(array.nbytes for array in vars(self).values())


def index_packets(packets: Iterable[av.Packet], stream: VideoStream) -> PacketIndex | str:
    """Read all packets of `stream`. Returns the index, or one line with the reason why there is none."""
    codec = stream.codec_context
    name = codec.codec.canonical_name
    if name not in _ONE_FRAME_PER_PACKET:
        return f"packets of {name} may differ from frames"

    pts, dts, shown, key, spare = [], [], [], [], []
    try:
        for packet in packets:
            if packet.size == 0 and packet.pts is None:  # the end of the stream
                continue
            if packet.size == 0:
                return "empty packets"
            if packet.pts is None:
                return "packets without a time"
            if packet.is_corrupt:
                return "a packet is cut short"
            kind = _look_inside(name, codec.extradata, packet)
            if isinstance(kind, str):
                return kind
            entry, unneeded = kind
            pts.append(packet.pts)
            dts.append(UNKNOWN if packet.dts is None else packet.dts)
            shown.append(not packet.is_discard)
            key.append(packet.is_keyframe and entry)
            spare.append(unneeded)
    except FFmpegError as error:
        return f"reading stops early ({error.strerror})"
    return _order(np.array(pts, np.int64), np.array(dts, np.int64), np.array(shown), np.array(key), np.array(spare))


def _order(
    pts: np.ndarray, dts: np.ndarray, shown: np.ndarray, key: np.ndarray, spare: np.ndarray
) -> PacketIndex | str:
    """Frames in display order, each with the last key packet that is before it in decoding order *and* in time.

    Both are needed: leading frames of an open group of pictures are displayed before the key frame and stored after it,
    and they depend on the previous group. For all other frames, decoding can start at the key frame.
    """
    if len(pts) == 0 or not shown.any():
        return "no packets"
    if len(np.unique(pts)) != len(pts):
        return "two packets with the same time"
    if (np.diff(dts[dts != UNKNOWN]) <= 0).any():
        return "decoding times do not increase"
    if not key[0] or pts[0] != pts.min():
        return "it does not start with a key frame"

    packet = np.flatnonzero(shown)
    packet = packet[np.argsort(pts[packet])]
    keys = np.flatnonzero(key)
    # entry[p] = last key with position <= p and pts <= pts[p]; usually at most one step back, but this is not
    # guaranteed, so repeat until the condition is met
    nearest = np.searchsorted(keys, np.arange(len(pts)), side="right") - 1
    while (late := pts[keys[nearest]] > pts).any():
        nearest[late] -= 1  # ends: key 0 is the first in time
    return PacketIndex(pts, dts, shown, spare, packet, keys[nearest][packet])


def _look_inside(codec: str, extradata: bytes | None, packet: av.Packet) -> tuple[bool, bool] | str:
    """(decoding can start here, no other packet needs this one), or the reason why it is not a single frame."""
    if codec == "h264":
        return _look_inside_h264(memoryview(packet), extradata)
    if codec == "vp9":
        return _look_inside_vp9(memoryview(packet))
    return True, False


def _look_inside_h264(data: memoryview, extradata: bytes | None) -> tuple[bool, bool] | str:
    """Read the one-byte headers of the NAL units (H.264 clause 7.3.1, 7.4.1).

    Decoding starts only at IDR pictures: containers also mark recovery points as key frames, after which frames may
    still refer to earlier ones. No picture refers to one with nal_ref_idc = 0, so that one need not be decoded.
    """
    pictures, idr, reference = 0, False, False
    for start, end in _nal_units(data, extradata):
        header = data[start]
        kind = header & 31
        if kind in (1, 5):
            idr |= kind == 5
            reference |= header & 0x60 != 0
            # first_mb_in_slice is an Exp-Golomb code: a leading 1 is the value 0, the first slice of a picture
            pictures += end > start + 1 and data[start + 1] >> 7
        elif kind in (2, 3, 4):
            return "partitioned slices"
    return (idr, not reference) if pictures == 1 else f"a packet contains {pictures} pictures"


def _nal_units(data: memoryview, extradata: bytes | None) -> list[tuple[int, int]]:
    """(first byte, end) of the NAL units, which follow their length (mp4, mkv) or a start code (avi, ts)."""
    units = []
    if extradata and extradata[0] == 1 and len(extradata) > 4:  # avcC box
        width, at = (extradata[4] & 3) + 1, 0
        while at + width < len(data):
            size = int.from_bytes(data[at : at + width], "big")
            at += width
            if size == 0:
                continue
            units.append((at, min(at + size, len(data))))
            at += size
        return units
    raw = bytes(data)
    at = raw.find(b"\0\0\1")
    while at >= 0:
        following = raw.find(b"\0\0\1", at + 3)
        end = len(raw) if following < 0 else following
        if end > at + 3:
            units.append((at + 3, end))
        at = following
    return units


def _look_inside_vp9(data: memoryview) -> tuple[bool, bool] | str:
    """Check that a VP9 packet displays a frame (VP9 bitstream specification 6.2 and annex B)."""
    if data[-1] & 0xE0 == 0xC0:  # a superframe: hidden frames and a displayed one
        return True, False
    bits = format(int.from_bytes(data[:1], "big"), "08b")  # marker 2, profile 2, then by profile
    profile = int(bits[3] + bits[2], 2)
    at = 5 if profile == 3 else 4
    show_existing, show = bits[at] == "1", at + 2 < 8 and bits[at + 2] == "1"
    return (True, False) if show_existing or show else "a packet shows no frame"
