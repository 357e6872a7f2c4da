"""SpaCy's components with recurrent models. Docs come in, annotated docs go out."""
