"""The architectures of objectives for `spacy pretrain`: predict the neighbours of each token."""

from collections.abc import Callable
from functools import partial

from spacy.vocab import Vocab

from ..bridge.arguments import check_whole_numbers
from ..bridge.model_types import EncoderModel, Tok2VecModel
from ..bridge.neighbour_loss import N_HASHES, LossModel, find_buckets, number_words, with_neighbour_losses
from ..bridge.shim import TorchShim
from ..nn.language_model import BidirectionalLanguageModel, get_state_width
from ..nn.neighbours import HashedNeighbours, SampledNeighbours
from ..nn.recurrent_encoder import RecurrentEncoder
from .limits import check_number_of_weights

_V1, _V2 = "spacy-bilstm.PretrainBiLM.v1", "spacy-bilstm.PretrainBiLM.v2"

CreateObjective = Callable[[Vocab, Tok2VecModel], LossModel]


def build_pretrain_bilm_v1(maxout_pieces: int = 3, hidden_size: int = 300, n_buckets: int = 500) -> CreateObjective:
    """Pretrain a tok2vec as a forward and a backward language model; replaces `spacy.PretrainCharacters.v1`.

    The state of the forward direction at a token predicts the next word, that of the backward direction the word before
    (Peters et al. 2018). In every layer, the directions are kept apart, so neither has seen the word it predicts. Four
    independent hashes put each word's ORTH into buckets (Medini et al. 2019), so the cost is the same for any
    vocabulary.

    maxout_pieces: number of linear maps whose maximum is the hidden layer between states and prediction, >= 1.
    hidden_size: width of the hidden layer, >= 1.
    n_buckets: number of buckets of each of the four hashes, >= 2. More buckets distinguish more words but cost more.
    RETURNS: a function that takes the vocab and the tok2vec, and returns the model that `spacy pretrain` trains. The
        tok2vec needs a bidirectional `spacy-bilstm.RecurrentEncoder.v1`, with any cell, merge and number of layers, on
        an embedding that reads each token alone. The function raises a ValueError for other tok2vecs, or if its layers
        would be too large.
    RAISES: ValueError for a number outside its range.
    """
    _check_sizes(_V1, maxout_pieces=(maxout_pieces, 1), hidden_size=(hidden_size, 1), n_buckets=(n_buckets, 2))

    def create_objective(vocab: Vocab, tok2vec: Tok2VecModel) -> LossModel:
        encoder, state_width = _get_encoder(_V1, tok2vec)
        check_number_of_weights(
            _V1,
            hidden_size * (state_width * maxout_pieces + N_HASHES * n_buckets),
            f"hidden_size = {hidden_size}, maxout_pieces = {maxout_pieces} and n_buckets = {n_buckets}",
        )
        neighbours = HashedNeighbours(state_width, maxout_pieces, hidden_size, N_HASHES, n_buckets)
        module = BidirectionalLanguageModel(encoder, neighbours)
        return with_neighbour_losses(tok2vec, module, partial(find_buckets, n_buckets=n_buckets))

    return create_objective


def build_pretrain_bilm_v2(width: int = 128, n_candidates: int = 512) -> CreateObjective:
    """Pretrain a tok2vec as `spacy-bilstm.PretrainBiLM.v1` does, but choose each word among other words of the batch.

    The score of a word is the product of a projection of the state and one of the word's own embedding. So words that
    occur in the same contexts get similar embeddings, as in word2vec, also by their affixes and characters. It costs
    less than a prediction of buckets.

    width: width of the projections, >= 1.
    n_candidates: number of words of the batch that the model chooses from, besides the correct one, >= 1. All words of
        a batch share them.
    RETURNS: a function as that of `spacy-bilstm.PretrainBiLM.v1`.
    RAISES: ValueError for a number outside its range.
    """
    _check_sizes(_V2, width=(width, 1), n_candidates=(n_candidates, 1))

    def create_objective(vocab: Vocab, tok2vec: Tok2VecModel) -> LossModel:
        encoder, state_width = _get_encoder(_V2, tok2vec)
        input_width = tok2vec.get_ref("embed").get_dim("nO")
        check_number_of_weights(_V2, width * (state_width + input_width), f"width = {width}")
        neighbours = SampledNeighbours(state_width, input_width, width, n_candidates)
        return with_neighbour_losses(tok2vec, BidirectionalLanguageModel(encoder, neighbours), number_words)

    return create_objective


def _check_sizes(objective: str, **sizes: tuple[int, int]) -> None:
    """Check that arguments, each with the least value it may have, are whole numbers that are large enough."""
    for name, (number, least) in sizes.items():
        check_whole_numbers(objective, **{name: number})
        if number < least:
            raise ValueError(f"{objective} needs {name} >= {least}, but {name} is {number}.")


def _get_encoder(objective: str, tok2vec: Tok2VecModel) -> tuple[RecurrentEncoder, int]:
    """Return the torch module of the encoder, and the width of the states of one direction.

    RAISES: ValueError if there is no recurrent encoder with two directions.
    """
    encode: EncoderModel | None = tok2vec.get_ref("encode") if tok2vec.has_ref("encode") else None
    shim = encode.shims[0] if encode is not None and encode.shims else None
    alternative = "For other models, use spacy.PretrainCharacters.v1, which predicts masked words."
    if encode is None or not isinstance(shim, TorchShim) or not isinstance(shim.module, RecurrentEncoder):
        raise ValueError(
            f"{objective} can't pretrain '{tok2vec.name}', which has no recurrent encoder. Use spacy-bilstm.Tok2Vec.v1 "
            f"with spacy-bilstm.RecurrentEncoder.v1 as encode. {alternative}"
        )
    try:
        return shim.module, get_state_width(shim.module)
    except ValueError as error:
        raise ValueError(f"{objective} can't pretrain this tok2vec. {error} {alternative}") from error
