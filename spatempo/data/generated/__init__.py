"""The generated data set, whose classes differ only in motion."""
