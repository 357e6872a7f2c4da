"""The architectures that configs name with `@architectures` or `@layers`: thinc models that wrap torch modules."""
