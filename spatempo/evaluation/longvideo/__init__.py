"""Long videos: scores of sliding windows, and the segments found in them."""
