"""2D backbones: spatempo's networks, and adapters for those of torchvision and timm."""
