"""Runs the command line as `python -m spacy_bilstm`."""

from spacy_bilstm.cli import main

if __name__ == "__main__":
    main()
