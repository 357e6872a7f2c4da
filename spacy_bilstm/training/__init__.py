"""Optimizers and batchers for a config's `[training]` block, and spaCy's training loop."""
