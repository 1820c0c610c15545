"""The packet index, on packets written by hand."""

from __future__ import annotations

import numpy as np
from video_clips import make_clip

from spatempo.video import packet_index
from spatempo.video.pyav_reader import PyAVReader


def order(pts: list[int], key: list[int], hidden: tuple[int, ...] = (), dts: list[int] | None = None):
    count = len(pts)
    shown, keys = np.ones(count, bool), np.zeros(count, bool)
    shown[list(hidden)], keys[key] = False, True
    times = np.arange(count) if dts is None else np.array(dts)
    return packet_index._order(np.array(pts), times, shown, keys, np.zeros(count, bool))


def test_frames_are_in_display_order() -> None:
    # I0 P3 B1 B2 | I4 P5
    index = order([0, 3, 1, 2, 4, 5], [0, 4])
    assert index.packet.tolist() == [0, 2, 3, 1, 4, 5]
    assert index.entry.tolist() == [0, 0, 0, 0, 4, 4]


def test_leading_frames_of_an_open_group_belong_to_the_group_before() -> None:
    # I0 P3 B1 B2 | I6 B4 B5 (displayed before I6, refer to P3) P9 B7 B8
    index = order([0, 3, 1, 2, 6, 4, 5, 9, 7, 8], [0, 4])
    assert index.packet.tolist() == [0, 2, 3, 1, 5, 6, 4, 8, 9, 7]
    assert index.entry.tolist() == [0, 0, 0, 0, 0, 0, 4, 4, 4, 4]


def test_a_frame_may_be_displayed_before_two_key_frames() -> None:
    # I0 I5 I4 B3: B3 is displayed before both key frames that precede it
    assert order([0, 5, 4, 3], [0, 1, 2]).entry.tolist() == [0, 0, 2, 1]


def test_hidden_packets_give_no_frames_but_may_be_entries() -> None:
    index = order([0, 1, 2, 3, 4, 5], [0, 4], hidden=(0, 1))
    assert index.packet.tolist() == [2, 3, 4, 5]
    assert index.entry.tolist() == [0, 0, 4, 4]


def test_unreliable_packets_give_a_reason() -> None:
    assert order([0, 1, 1, 2], [0]) == "two packets with the same time"
    assert order([1, 0, 2], [0]) == "it does not start with a key frame"  # a leading frame without its group
    assert order([0, 1, 2], [1]) == "it does not start with a key frame"
    assert order([0, 1, 2], [0], dts=[0, 2, 1]) == "decoding times do not increase"
    assert order([0, 1], [0], hidden=(0, 1)) == "no packets"
    unknown = packet_index.UNKNOWN
    assert order([0, 1, 2], [0], dts=[unknown, 1, 2]).entry.tolist() == [0, 0, 0]


AVCC = bytes([1, 100, 0, 30, 0xFF])  # four-byte lengths


def nal(*units: bytes) -> memoryview:
    return memoryview(b"".join(len(unit).to_bytes(4, "big") + unit for unit in units))


def test_h264_headers() -> None:
    look = packet_index._look_inside_h264
    idr, p, b = b"\x65\x88", b"\x41\x9a", b"\x01\x9e"  # nal_ref_idc 3, 2, 0; first_mb_in_slice 0
    parameters, message = b"\x67\x64", b"\x06\x05"
    assert look(nal(parameters, b"\x68\xee", message, idr), AVCC) == (True, False)
    assert look(nal(p), AVCC) == (False, False)
    assert look(nal(b), AVCC) == (False, True)
    assert look(nal(p, b"\x41\x10"), AVCC) == (False, False)  # a second slice of the same picture
    assert look(nal(p, b), AVCC) == "a packet contains 2 pictures"
    assert look(nal(message), AVCC) == "a packet contains 0 pictures"
    assert look(nal(b"\x42\x9a"), AVCC) == "partitioned slices"
    starts = memoryview(b"\0\0\0\1" + parameters + b"\0\0\1" + idr)
    assert look(starts, None) == (True, False)
    assert look(memoryview(b"\0\0\1" + b), b"\0\0\1\x67") == (False, True)


def test_vp9_headers() -> None:
    look = packet_index._look_inside_vp9
    assert look(memoryview(bytes([0b10000010, 0]))) == (True, False)  # key frame, displayed
    assert look(memoryview(bytes([0b10000100, 0]))) == "a packet shows no frame"
    assert look(memoryview(bytes([0b10001000]))) == (True, False)  # displays a previously decoded frame
    assert look(memoryview(bytes([0b10000100, 0, 0xC1]))) == (True, False)  # a superframe
    assert look(memoryview(bytes([0b10110001, 0]))) == (True, False)  # profile 3, displayed
    assert look(memoryview(bytes([0b10110000, 0]))) == "a packet shows no frame"


def test_spare_packets_are_those_of_b_frames(tmp_path) -> None:
    options = {"x264-params": "threads=1:keyint=12:bframes=2:b-adapt=0:b-pyramid=none:scenecut=0"}
    index = PyAVReader(make_clip(tmp_path / "a.mp4", options=options))._known().index
    assert index is not None
    assert np.unique(index.entry).tolist() == [0, 12, 24, 36, 48]
    spare_in_order = index.spare[index.packet].tolist()
    assert spare_in_order[:12] == [False, True, True, False, True, True, False, True, True, False, True, False]
