"""Scores of a pipeline on an annotated corpus, with intervals."""
