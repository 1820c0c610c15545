"""The generated data set, in which nothing but motion tells the classes apart."""
