"""Networks made for video from their first layer, rather than from an image network by plugging operators in."""
