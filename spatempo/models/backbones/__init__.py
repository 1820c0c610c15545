"""2D backbones of our own."""
