"""Between thinc and torch. Arrays become tensors, torch modules become layers that thinc can train."""
