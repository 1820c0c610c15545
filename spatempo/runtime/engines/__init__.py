"""Inference engines that run exported models without torch."""
