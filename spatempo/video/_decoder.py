"""The open file of a `PyAVReader`: seeks, decodes packets, and checks the decoded frames."""

from __future__ import annotations

import contextlib
import gc
import os
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import TypeVar, cast

import av
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.video.stream import VideoStream

from spatempo.errors import VideoError
from spatempo.video._address import is_address
from spatempo.video._network import network_failure, within
from spatempo.video._opening import open_stream
from spatempo.video.packet_index import UNKNOWN, PacketIndex

Result = TypeVar("Result")
Receive = Callable[[int, av.VideoFrame], None]  # (time of the packet or number of the frame, the frame)
_NEAR = 12  # packets; reading up to this many is faster than a seek
_INHERITED: list[object] = []  # containers inherited from the parent process, see `close`

# PyAV's objects form reference cycles, so unused decoders and encoders are freed by the garbage collector. In a forked
# child it must not free them: a decoder with threads would wait forever for threads that exist only in the parent, and
# a data-loading worker would hang. Frozen objects are not collected. Both calls are almost free.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=gc.freeze, after_in_parent=gc.unfreeze)


class IndexMismatch(Exception):
    """The decoder did not give the frames that the packet index predicts."""


class Decoder:
    """One file, opened on first use, and again after a fork.

    Args:
        path: a file, or an address that FFmpeg can open.
        threads: number of decoding threads; 0 lets FFmpeg choose.
        timeout: limit in seconds for opening an address, for a seek and for each packet. Files have no limit.
    """

    def __init__(self, path: str, threads: int, timeout: float) -> None:
        self.path = path
        self.threads = threads
        self._timeout = timeout if is_address(path) else None
        self._container: InputContainer | None = None
        self._stream: VideoStream | None = None
        self._packets: Iterator[av.Packet] = iter(())
        self._position: int | None = None  # number of the next packet; None if unknown
        self._ahead: av.Packet | None = None  # the next packet, if it was already read
        self._pid = 0

    @property
    def video_stream(self) -> VideoStream:
        """The best video stream of the open file."""
        return self._stream or self.open()[1]

    def open(self) -> tuple[InputContainer, VideoStream]:
        """Open the file again, at its start."""
        self.close()
        container, stream = open_stream(self.path, self._timeout)
        stream.codec_context.thread_count = self.threads
        stream.thread_type = "NONE" if self.threads == 1 else "AUTO"
        self._container, self._stream, self._pid = container, stream, os.getpid()
        self._packets, self._position, self._ahead = iter(()), None, None
        return container, stream

    def close(self) -> None:
        """Close the file. The next read opens it again."""
        self._packets = iter(())
        if self._container is not None:
            if self._pid == os.getpid():
                self._container.close()
            else:  # inherited from the parent process, where its threads are: freeing it here could wait forever
                _INHERITED.append(self._container)
        self._container = self._stream = self._position = self._ahead = None

    def packets(self, *, after_seek: bool = False) -> Iterator[av.Packet]:
        """Packets of the open file, from the current position. The last one is empty and ends the stream.

        Raises:
            VideoError: the network fails. The first packet `after_seek` raises FFmpegError instead, because some
                servers cannot seek.
        """
        assert self._container is not None
        packets = cast("Generator[av.Packet]", self._container.demux(self._stream))
        while True:
            try:
                packet = self._wait(lambda: next(packets, None))
            except FFmpegError as error:
                if self._timeout is not None and not after_seek and (failure := network_failure(self.path, error)):
                    raise failure from error
                raise
            if packet is None:
                return
            try:
                yield packet
            except GeneratorExit:
                packets.close()  # ends PyAV's time limit
                raise
            after_seek = False

    def _wait(self, work: Callable[[], Result]) -> Result:
        """Run ``work()``, which reads from the file; for an address with the timeout."""
        try:
            return within(self._timeout, self.path, work)
        except (VideoError, KeyboardInterrupt):
            self._container = None  # not closed: the abandoned thread may still use it
            raise

    def by_index(self, index: PacketIndex, numbers: np.ndarray, receive: Receive) -> None:
        """Decode the frames `numbers` and call `receive` with (pts, frame) of each.

        A frame needs all packets from its entry to its own packet. Ranges that overlap or touch are decoded together.
        """
        packets = index.packet[numbers].tolist()
        wanted = set(packets)
        stretches: list[list[int]] = []
        for start, end in sorted(zip(index.entry[numbers].tolist(), packets, strict=True)):
            if stretches and start <= stretches[-1][1] + 1:
                stretches[-1][1] = max(stretches[-1][1], end)
            else:
                stretches.append([start, end])
        for start, end in stretches:
            self._stretch(index, start, end, wanted, receive)

    def _stretch(self, index: PacketIndex, start: int, end: int, wanted: set[int], receive: Receive) -> None:
        """Decode packets `start` (a clean key frame) to `end`, and check that each packet gives its frame."""
        codec = self._go_to(index, start)
        times = {int(index.pts[packet]) for packet in wanted if start <= packet <= end}
        earliest = index.pts[start]  # earlier frames are leading frames, which cannot be decoded from here
        due: set[int] = set()

        def collect(frames: Sequence[av.VideoFrame]) -> None:
            for frame in frames:
                if frame.pts is None or (frame.pts >= earliest and frame.pts not in due):
                    raise IndexMismatch("a decoded frame has a time that no packet has")
                if frame.is_corrupt:  # concealment depends on all frames before
                    raise IndexMismatch("a frame is damaged")
                due.discard(frame.pts)
                if frame.pts in times:
                    receive(frame.pts, frame)

        finished = False
        try:
            for position in range(start, end + 1):
                packet = self._next_packet(index)
                if index.spare[position] and position not in wanted:
                    continue
                if index.shown[position] and index.pts[position] >= earliest:
                    due.add(int(index.pts[position]))
                collect(codec.decode(packet))
            collect(codec.decode(None))
            codec.flush_buffers()
            finished = True
        except FFmpegError as error:
            raise IndexMismatch(f"a packet cannot be decoded ({error.strerror})") from error
        finally:
            if not finished:  # frames remain in the decoder: the next read must seek, which clears them
                self._position = None
        if due:
            raise IndexMismatch("a packet gives no frame")

    def _go_to(self, index: PacketIndex, start: int) -> av.VideoCodecContext:
        """Move to packet `start`, so that it is read next."""
        if self._container is None or self._pid != os.getpid():
            self.open()
        if self._position is None or not 0 <= start - self._position <= _NEAR:
            # containers look up presentation or decoding times, so the first attempt may end after `start`
            for time in (index.pts[start], index.dts[start]):
                if time == UNKNOWN:
                    continue
                try:
                    packet = self._seek(int(time))
                except (FFmpegError, StopIteration):
                    continue
                found = np.flatnonzero(index.pts == packet.pts).tolist() if packet.pts is not None else []
                if found and found[0] <= start:
                    self._position, self._ahead = found[0], packet
                    break
            else:
                self.open()
                self._packets = self.packets()
                self._position, self._ahead = 0, None
        while self._position < start:
            self._next_packet(index)
        return self.video_stream.codec_context

    def _seek(self, time: int) -> av.Packet:
        """Seek to the key packet at or before `time`, and read it."""
        container, stream = self._container, self._stream
        assert container is not None
        self._packets = iter(())  # ends the previous iterator, whose time limit would apply to the seek
        self._wait(lambda: container.seek(time, stream=stream))
        self._packets = self.packets(after_seek=True)
        return next(self._packets)

    def _next_packet(self, index: PacketIndex) -> av.Packet:
        assert self._position is not None
        packet, self._ahead = self._ahead, None
        if packet is None:
            packet = next(self._packets, None)
        if packet is None or packet.pts != index.pts[self._position]:
            raise IndexMismatch("the order of the packets differs after a seek")
        self._position += 1
        return packet

    def by_counting(self, numbers: np.ndarray, receive: Receive) -> None:
        """Decode from the start to the last of `numbers`, and call `receive` with (number, frame) of each."""
        wanted, last = set(numbers.tolist()), numbers[-1]
        for number, frame in enumerate(self.all_frames()):
            if number in wanted:
                receive(number, frame)
            if number == last:
                return
        raise VideoError(self.path, f"frame {last} can no longer be decoded; check whether the file has changed")

    def all_frames(self) -> Iterator[av.VideoFrame]:
        """All frames from the start. Packets that cannot be decoded are skipped; the decoder may recover."""
        codec = self.open()[1].codec_context
        packets = self.packets()
        while True:
            try:
                packet = next(packets, None)
            except FFmpegError:  # the file ends too early: use the frames still in the decoder
                packet = None
            with contextlib.suppress(FFmpegError):
                yield from codec.decode(packet if packet is not None and packet.size else None)
            if packet is None or (packet.size == 0 and packet.pts is None):
                return
