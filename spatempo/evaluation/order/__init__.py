"""How a model uses the order of frames: reordered clips, temporal receptive field, frames and pixels that matter."""
