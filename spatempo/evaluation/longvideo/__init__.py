"""Long videos: a network slid over one, and the segments that its scores make."""
