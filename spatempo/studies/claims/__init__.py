"""Experiments that re-test the papers' claims: how to run one and how to word its outcome."""
