"""Layouts of other code's weight files, one file per origin. Designs name those that they read."""
