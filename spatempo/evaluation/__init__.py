"""Protocols, metrics and the one function that turns views into scores."""
