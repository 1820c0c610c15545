"""From bytes to frames: decoding, frame sampling, encoding. No networks."""
