"""Connect thinc and torch: wrap torch modules as thinc layers, and convert between arrays and tensors."""
