"""Comparisons of encoders on probe tasks and corpora."""
