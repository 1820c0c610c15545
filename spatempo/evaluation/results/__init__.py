"""Results computed from scores: metrics, families and pairs, intervals and tests, fusion, score files."""
