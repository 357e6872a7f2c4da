"""The thinc models that configs name with `@architectures` or `@layers`. Most wrap torch modules."""
