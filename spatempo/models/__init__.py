"""Operators plugged into 2D backbones, video-native networks, the registry and checkpoints."""
