"""Spatio-temporal operators, one per file: a function, a module, its causal form and its state."""
