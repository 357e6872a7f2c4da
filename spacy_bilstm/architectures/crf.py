"""The entity recogniser's model: emission scores of BILUO tags and a conditional random field (CRF)."""

from thinc.api import Linear, chain, with_array, zero_init

from ..bridge.arguments import check_whole_numbers
from ..bridge.crf import resize, with_crf
from ..bridge.model_types import CRFLayer, OutputLayer, Tok2VecModel, TokenScoresModel
from ..nn.biluo import biluo_constraints, count_labels
from ..nn.crf import LinearChainCRF
from ..nn.layout import PackedLayout
from .limits import check_number_of_weights
from .output_layer import copy_outputs


def build_crf_tagger_v1(tok2vec: Tok2VecModel, nO: int | None = None) -> TokenScoresModel:
    """Score BILUO tags for `bilstm_ner`: a linear layer and a conditional random field on top of a tok2vec.

    The model outputs the emissions. The CRF (Lafferty et al. 2001; Lample et al. 2016) with its transitions, start
    transitions and end transitions is the reference `crf`, which the component decodes and trains with.

    tok2vec: the tok2vec, from docs to one array of token vectors per doc. Shape `(len(doc), width)` each.
    nO: number of tags, 1 + 4 for each label. If None, that of the sample when the model is initialised.
    RETURNS: the model, from docs to one array of shape `(len(doc), nO)` each, with the references `tok2vec`,
        `output_layer` and `crf`. Its attribute `resize_output` adds tags to it.
    RAISES: ValueError if no number of labels has nO tags, or if they are too many.
    """
    check_whole_numbers("a CRF", nO=nO)
    if nO is not None:
        _count_labels(nO)
    width = tok2vec.get_dim("nO") if tok2vec.has_dim("nO") else None
    output_layer = Linear(nO, width, init_W=zero_init)
    crf = with_crf("crf", make_biluo_crf, PackedLayout.from_lengths, nO)
    model: TokenScoresModel = chain(tok2vec, with_array(output_layer), crf)
    model.set_ref("tok2vec", tok2vec)
    _set_output_refs(model, output_layer, crf)
    model.attrs["resize_output"] = resize_output
    return model


def make_biluo_crf(n_tags: int) -> LinearChainCRF:
    """Make a CRF that allows exactly the valid sequences of BILUO tags.

    n_tags: number of tags, 1 + 4 for each label.
    RETURNS: the CRF.
    RAISES: ValueError if no number of labels has that many tags.
    """
    return LinearChainCRF(*biluo_constraints(_count_labels(n_tags)))


def _count_labels(n_tags: int) -> int:
    check_number_of_weights("A CRF", n_tags**2, f"nO = {n_tags}")
    try:
        return count_labels(n_tags)
    except ValueError as error:
        raise ValueError(
            f"A CRF of BILUO tags has 1 + 4 * n_labels of them (O, and B, I, L and U for each label), but nO is "
            f"{n_tags}. Set nO = null: the labels then determine it when the model is initialised."
        ) from error


def resize_output(model: TokenScoresModel, new_nO: int) -> TokenScoresModel:
    """Add tags after the existing ones.

    The weights of new tags are zero, and all other weights stay. The layers are new ones with their own ids, since the
    state of an optimizer would not fit the old ones.

    model: the model, as `build_crf_tagger_v1` makes it.
    new_nO: number of tags, not less than before.
    RETURNS: the model itself.
    RAISES: ValueError if the model has more tags than that.
    """
    old_layer: OutputLayer = model.get_ref("output_layer")
    old_crf: CRFLayer = model.get_ref("crf")
    if not old_crf.has_param("transitions"):
        return _set_output_dims(model, new_nO)
    output_layer = copy_outputs(old_layer, Linear(new_nO, old_layer.get_dim("nI"), init_W=zero_init))
    crf = resize(old_crf, new_nO)
    model.layers[1:] = [with_array(output_layer), crf]
    _set_output_refs(model, output_layer, crf)
    model.set_dim("nO", new_nO, force=True)
    return model


def _set_output_dims(model: TokenScoresModel, nO: int) -> TokenScoresModel:
    for layer in (*model.layers[1:], model.get_ref("output_layer"), model):
        layer.set_dim("nO", nO)
    return model


def _set_output_refs(model: TokenScoresModel, output_layer: OutputLayer, crf: CRFLayer) -> None:
    model.set_ref("output_layer", output_layer)
    model.set_ref("crf", crf)
