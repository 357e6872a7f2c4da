"""A script that annotates docs in two forked processes: `pipe_processes.py loaded|trained PATH guarded|unguarded`."""

import multiprocessing
import sys
from pathlib import Path

import spacy
import torch
from toy_corpus import make_docs, make_examples
from toy_pipelines import add_stock_pipe, make_tok2vec


def main(kind: str, path: Path, guard: str) -> None:
    """Annotate docs in one process, then in two, and compare the results."""
    if guard == "unguarded":
        import spacy_bilstm.bridge.shim

        spacy_bilstm.bridge.shim.make_fork_safe = lambda: None
    multiprocessing.set_start_method("fork")
    torch.set_num_threads(2)
    if kind == "loaded":
        nlp = spacy.load(path)
    else:
        nlp = spacy.blank("en")
        encode = {"@architectures": "spacy-bilstm.BiLSTMEncoder.v1", "width": 128}
        add_stock_pipe(nlp, "tagger", make_tok2vec(encode, 128))
    if kind == "trained":
        examples = make_examples(nlp.vocab, 200)
        optimizer = nlp.initialize(lambda: examples)
        nlp.update(examples, sgd=optimizer)
        nlp.to_disk(path)
    texts = [doc.text for doc in make_docs(nlp.vocab, 400)]
    print("in two processes", flush=True)
    tags = [[token.tag_ for token in doc] for doc in nlp.pipe(texts, n_process=2, batch_size=200)]
    assert tags == [[token.tag_ for token in doc] for doc in nlp.pipe(texts)]
    assert all(all(row) for row in tags)
    print("done", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
