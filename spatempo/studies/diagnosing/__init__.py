"""``diagnose``: how a trained model uses the order of frames, as numbers, sentences and a page."""
