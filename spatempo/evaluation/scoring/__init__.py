"""From videos to scores: protocols, views, the model's run over them, ``evaluate`` and ``predict``."""
