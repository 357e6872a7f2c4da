"""Exit statuses that the commands share."""

INTERRUPTED = 130  # Ctrl-C ended the command: 128 and the number of the signal, as shells have it.
