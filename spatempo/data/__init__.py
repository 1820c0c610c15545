"""Labelled clips: manifests, scanning, splitting, augmentation, data sets."""
