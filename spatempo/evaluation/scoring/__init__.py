"""Scores of videos: protocols, views, ``evaluate`` and ``predict``."""
