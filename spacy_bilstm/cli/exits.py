"""Exit statuses of the commands."""

INTERRUPTED = 130  # Ctrl-C ended the command. By convention of shells: 128 plus the signal's number.
