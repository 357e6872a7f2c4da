"""Speed and memory of encoders, pipelines and their training."""
