"""What a config's `[training]` names: optimizers and batchers. It builds on thinc and spaCy alone."""
