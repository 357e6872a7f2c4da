"""The architecture of an objective for `spacy pretrain`: predict the neighbours of each token."""

from collections.abc import Callable

from spacy.tokens import Doc
from spacy.vocab import Vocab
from thinc.api import Model, chain, list2array
from thinc.types import Floats2d

from ..bridge.encoder_layer import with_torch_encoder
from ..bridge.model_types import DocScoresModel, EncoderModel, Tok2VecModel
from ..bridge.neighbour_loss import N_HASHES, compute_neighbour_loss
from ..bridge.shim import TorchShim
from ..nn.language_model import BidirectionalLanguageModel
from ..nn.recurrent_encoder import RecurrentEncoder


def build_pretrain_bilm_v1(
    maxout_pieces: int = 3, hidden_size: int = 300, n_buckets: int = 500
) -> Callable[[Vocab, Tok2VecModel], DocScoresModel]:
    """Pretrain a tok2vec as a forward and a backward language model; replaces `spacy.PretrainCharacters.v1`.

    The state of the forward direction at a token predicts the next word, that of the backward direction the word before
    (Peters et al. 2018). The model reads them before the encoder's layer norm, so neither has seen the word it
    predicts. Four independent hashes put each word's ORTH into buckets, and the model predicts all four (Medini et al.
    2019), so the cost is the same for any vocabulary.

    maxout_pieces: number of linear maps whose maximum is the hidden layer between states and prediction, >= 1.
    hidden_size: width of the hidden layer, >= 1.
    n_buckets: number of buckets of each of the four hashes, >= 2. More buckets distinguish more words but cost more.
    RETURNS: a function that takes the vocab and the tok2vec, and returns the model that `spacy pretrain` trains. The
        tok2vec needs one bidirectional layer of `spacy-bilstm.RecurrentEncoder.v1` that concatenates its directions, on
        an embedding that reads each token alone. The function raises a ValueError for other tok2vecs.
    RAISES: ValueError for a number outside its range.
    """
    sizes = {"maxout_pieces": (maxout_pieces, 1), "hidden_size": (hidden_size, 1), "n_buckets": (n_buckets, 2)}
    for name, (number, least) in sizes.items():
        if number < least:
            raise ValueError(f"spacy-bilstm.PretrainBiLM.v1 needs {name} >= {least}, but {name} is {number}.")

    def create_objective(vocab: Vocab, tok2vec: Tok2VecModel) -> DocScoresModel:
        return make_objective(tok2vec, maxout_pieces, hidden_size, n_buckets)

    return create_objective


def make_objective(tok2vec: Tok2VecModel, maxout_pieces: int, hidden_size: int, n_buckets: int) -> DocScoresModel:
    """Make the model that `spacy pretrain` trains.

    tok2vec: the tok2vec to pretrain.
    maxout_pieces, hidden_size, n_buckets: arguments of `build_pretrain_bilm_v1`.
    RETURNS: the model, from docs to scores for `compute_neighbour_loss`, which is its attribute `loss`. Its reference
        `tok2vec` is the tok2vec. The two share all weights except those of the layers on top.
    RAISES: ValueError for a tok2vec that does not keep its directions apart.
    """
    neighbours = _predict_neighbours(tok2vec, maxout_pieces, hidden_size, n_buckets)
    language_model: DocScoresModel = chain(tok2vec.get_ref("embed"), neighbours, list2array())
    return Model(
        "bidirectional_language_model",
        _forward,
        init=_init,
        # Nothing calls the tok2vec, but spaCy saves it. It comes first, so its shim updates the shared weights.
        layers=[tok2vec, language_model],
        refs={"tok2vec": tok2vec},
        attrs={"loss": compute_neighbour_loss},
    )


def _predict_neighbours(tok2vec: Tok2VecModel, maxout_pieces: int, hidden_size: int, n_buckets: int) -> EncoderModel:
    encode: EncoderModel | None = tok2vec.get_ref("encode") if tok2vec.has_ref("encode") else None
    shim = encode.shims[0] if encode is not None and encode.shims else None
    alternative = "For other models, use spacy.PretrainCharacters.v1, which predicts masked words."
    if encode is None or not isinstance(shim, TorchShim) or not isinstance(shim.module, RecurrentEncoder):
        raise ValueError(
            f"spacy-bilstm.PretrainBiLM.v1 can't pretrain '{tok2vec.name}', which has no recurrent encoder. Use "
            f"spacy-bilstm.Tok2Vec.v1 with spacy-bilstm.RecurrentEncoder.v1 as encode. {alternative}"
        )
    n_scores = N_HASHES * n_buckets
    try:
        module = BidirectionalLanguageModel(shim.module, maxout_pieces, hidden_size, n_scores)
    except ValueError as error:
        raise ValueError(
            "spacy-bilstm.PretrainBiLM.v1 can't pretrain this tok2vec, because a state of its encoder may have seen "
            f"the word that it predicts. {error} {alternative}"
        ) from error
    return with_torch_encoder(
        "neighbours", module, nI=encode.get_dim("nI"), nO=2 * n_scores, mixed_precision=shim.mixed_precision
    )


def _init(model: DocScoresModel, X: list[Doc] | None = None, Y: Floats2d | None = None) -> None:
    model.layers[1].initialize(X)


def _forward(model: DocScoresModel, X: list[Doc], is_train: bool) -> tuple[Floats2d, Callable[[Floats2d], list[Doc]]]:
    language_model: DocScoresModel = model.layers[1]
    return language_model(X, is_train)
