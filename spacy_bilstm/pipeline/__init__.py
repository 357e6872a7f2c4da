"""spaCy pipeline components with recurrent models, and their factories."""
