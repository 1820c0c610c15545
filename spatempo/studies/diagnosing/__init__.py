"""``diagnose``: what a trained model sees of time, in numbers, sentences and a page."""
