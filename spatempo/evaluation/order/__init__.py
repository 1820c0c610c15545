"""Use of frame order: reordered clips, temporal receptive field, importance of frames and pixels."""
