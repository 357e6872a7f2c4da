"""The architectures that configs name with `@architectures`: thinc models that wrap torch modules."""
