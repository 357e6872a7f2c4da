"""Random damage to stored components: they are refused, or they load and predict. The long run is marked as slow."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy
import pytest
import srsly
from spacy.tokens import Doc
from toy_components import make_pipe, store_all

Path = tuple[Any, ...]
JUNK: list[Any] = [None, 0, -1, 2, 3.5, float("nan"), "", "x", [], {}, [1], {"a": 1}, True, 10**9 + 1, numpy.zeros(3)]
ARRAY_DAMAGES: list[Callable[[Any], Any]] = [
    lambda array: array * numpy.float32("nan"),
    lambda array: array + numpy.float32("inf"),
    lambda array: array.T,
    lambda array: array[:-1],
    lambda array: array.ravel(),
    lambda array: array.astype("float64"),
    lambda array: array.astype("int32"),
]


@pytest.fixture(scope="module")
def stored() -> dict[str, bytes]:
    """The bytes of all components, initialised."""
    return store_all()


def unpack(data: bytes) -> dict[str, Any]:
    fields = srsly.msgpack_loads(data)
    model = srsly.msgpack_loads(fields["model"])
    model["attrs"] = [{name: srsly.msgpack_loads(value) for name, value in attrs.items()} for attrs in model["attrs"]]
    return {"cfg": json.loads(fields["cfg"]), "model": model}


def pack(content: dict[str, Any]) -> bytes:
    model = content.get("model")
    if isinstance(model, dict) and isinstance(model.get("attrs"), list):
        attrs = [
            {name: srsly.msgpack_dumps(value) for name, value in layer.items()} if isinstance(layer, dict) else layer
            for layer in model["attrs"]
        ]
        content = content | {"model": model | {"attrs": attrs}}
    fields = {"cfg": json.dumps(content["cfg"], default=str)} if "cfg" in content else {}
    return srsly.msgpack_dumps(fields | {"model": srsly.msgpack_dumps(content.get("model"))})


def list_paths(value: Any, path: Path = ()) -> Iterator[Path]:
    """Yield the path of each value inside of a nested value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*path, key)
        yield from list_paths(item, (*path, key))


def get(value: Any, path: Path) -> Any:
    for key in path:
        value = value[key]
    return value


def damage(content: dict[str, Any], rng: random.Random) -> str:
    """Damage one value. RETURNS: what was done."""
    paths = list(list_paths(content))
    path = rng.choice(paths)
    parent, value = get(content, path[:-1]), get(content, path)
    kind = rng.choice(["remove", "replace", "copy", "array"])
    if kind == "remove":
        parent.pop(path[-1])
    elif kind == "array" and isinstance(value, numpy.ndarray):
        with numpy.errstate(all="ignore"):
            parent[path[-1]] = rng.choice(ARRAY_DAMAGES)(value)
    else:
        parent[path[-1]] = copy.deepcopy(get(content, rng.choice(paths))) if kind == "copy" else rng.choice(JUNK)
    return f"{kind} {path}"


@cache
def get_pipe(name: str) -> Any:
    """Return a component that is not initialised."""
    return make_pipe(name)


def check_damaged(stored: dict[str, bytes], seed: int) -> None:
    """Load a damaged component. It is refused with an error that names it, or it predicts and can be saved."""
    rng = random.Random(seed)
    name = rng.choice(list(stored))
    content = unpack(stored[name])
    done = damage(content, rng)
    pipe = get_pipe(name)
    before = pipe.to_bytes(exclude=["vocab"])
    problem = get_error(lambda: pipe.from_bytes(pack(content), exclude=["vocab"]))
    if problem is not None:
        assert f"Can't load the component '{name}'" in problem, done
        assert pipe.to_bytes(exclude=["vocab"]) == before, done
        return
    get_pipe.cache_clear()
    docs = [Doc(pipe.vocab, words=["Anna", "lives", "in", "Rome"]), Doc(pipe.vocab)]
    problem = get_error(lambda: list(pipe.pipe(docs)))
    if problem is not None:
        assert "E109" in problem or "initialized" in problem, done  # It was stored without parameters.
    pipe.to_bytes(exclude=["vocab"])


def get_error(call: Callable[[], Any]) -> str | None:
    """Call a function. RETURNS: the message of its ValueError, or None."""
    try:
        call()
    except ValueError as error:
        return str(error)
    return None


def test_a_damaged_component_is_refused_or_predicts(stored: dict[str, bytes]) -> None:
    for seed in range(24):
        check_damaged(stored, seed)


@pytest.mark.slow
@pytest.mark.parametrize("block", range(20))
def test_many_damaged_components_are_refused_or_predict(stored: dict[str, bytes], block: int) -> None:
    for seed in range(1000 + 100 * block, 1100 + 100 * block):
        check_damaged(stored, seed)
