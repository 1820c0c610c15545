"""Layouts of weight files of other code, one file per origin. Each design lists the layouts that it can read."""
