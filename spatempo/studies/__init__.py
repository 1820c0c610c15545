"""Work that uses several rooms: comparisons, diagnoses, experiments, the demonstration."""
