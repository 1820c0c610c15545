"""The training recipe, on Lightning."""
