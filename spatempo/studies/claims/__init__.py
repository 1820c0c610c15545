"""The papers' claims as experiments: how one is run and how its outcome is worded."""
