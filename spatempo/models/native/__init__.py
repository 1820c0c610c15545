"""Native video networks: 3D networks that are not built from a 2D image network."""
