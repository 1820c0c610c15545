"""From scores to numbers: metrics, families and pairs, intervals and tests, fusion, files of scores."""
