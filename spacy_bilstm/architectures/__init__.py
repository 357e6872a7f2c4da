"""What a config names with `@architectures`, thinc models built from nn through bridge."""
