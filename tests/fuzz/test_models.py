"""Any damage to a stored component: it is refused and the component does not change, or it loads and predicts.

The long form takes minutes: python -m pytest -m slow tests/fuzz/test_models.py
"""

from __future__ import annotations

import copy
import json
import pickle
import random
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy
import pytest
import srsly
from fuzzing import N_BLOCKS, get_block, run_cases
from spacy.tokens import Doc
from toy_components import make_pipe, store_all

Place = tuple[Any, ...]
EXECUTED: list[str] = []
ARRAY_DAMAGES: list[Callable[[Any], Any]] = [
    lambda array: array * numpy.float32("nan"),
    lambda array: array + numpy.float32("inf"),
    lambda array: array.T,
    lambda array: array[:-1],
    lambda array: array.ravel(),
    lambda array: array.astype("float64"),
    lambda array: array.astype("int32"),
]


def execute(*args: object) -> None:
    """Called if a pickle is loaded."""
    EXECUTED.append(repr(args))


class Bomb:
    """An object whose pickle calls `execute` when it is loaded."""

    def __reduce__(self) -> tuple[Any, ...]:
        return execute, ("a pickle was loaded",)


PICKLE = pickle.dumps(Bomb())
JUNK: list[Any] = [None, 0, -1, 2, 3.5, float("nan"), "", "x", [], {}, [1], {"a": 1}, True, 10**9 + 1, numpy.zeros(3)]
JUNK += [PICKLE, b"", "../../x"]


@cache
def get_stored() -> dict[str, bytes]:
    """Return the bytes of all components, initialised."""
    return store_all()


@cache
def get_pipe(name: str) -> Any:
    """Return a component that is not initialised."""
    return make_pipe(name)


def unpack(data: bytes) -> dict[str, Any]:
    fields = srsly.msgpack_loads(data)
    model = srsly.msgpack_loads(fields["model"])
    model["attrs"] = [{name: srsly.msgpack_loads(value) for name, value in attrs.items()} for attrs in model["attrs"]]
    return {"cfg": json.loads(fields["cfg"]), "model": model}


def pack(content: dict[str, Any]) -> dict[str, bytes]:
    """Return the content of the files `cfg` and `model`."""
    model = content.get("model")
    if isinstance(model, dict) and isinstance(model.get("attrs"), list):
        attrs = [
            {name: srsly.msgpack_dumps(value) for name, value in layer.items()} if isinstance(layer, dict) else layer
            for layer in model["attrs"]
        ]
        content = content | {"model": model | {"attrs": attrs}}
    files = {"cfg": json.dumps(content["cfg"], default=str).encode()} if "cfg" in content else {}
    return files | {"model": srsly.msgpack_dumps(content.get("model"))}


def list_places(value: Any, place: Place = ()) -> Iterator[Place]:
    """Yield the place of each value inside of a nested value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*place, key)
        yield from list_places(item, (*place, key))


def get(value: Any, place: Place) -> Any:
    for key in place:
        value = value[key]
    return value


def damage_value(content: dict[str, Any], rng: random.Random) -> str:
    """Damage one value. RETURNS: what was done."""
    places = list(list_places(content))
    place = rng.choice(places)
    parent, value = get(content, place[:-1]), get(content, place)
    kind = rng.choice(["remove", "replace", "copy", "array"])
    if kind == "remove":
        parent.pop(place[-1])
    elif kind == "array" and isinstance(value, numpy.ndarray):
        with numpy.errstate(all="ignore"):
            parent[place[-1]] = rng.choice(ARRAY_DAMAGES)(value)
    else:
        parent[place[-1]] = copy.deepcopy(get(content, rng.choice(places))) if kind == "copy" else rng.choice(JUNK)
    return f"{kind} {place}"


def damage_file(files: dict[str, bytes], rng: random.Random) -> str:
    """Damage the bytes of one file. RETURNS: what was done."""
    name = rng.choice(list(files))
    data = files[name]
    start = rng.randrange(len(data))
    kind = rng.choice(["remove", "truncate", "change", "insert", "pickle", "swap"])
    if kind == "remove":
        del files[name]
    elif kind == "truncate":
        files[name] = data[:start]
    elif kind == "change":
        files[name] = data[:start] + rng.randbytes(rng.randint(1, 8)) + data[start + 8 :]
    elif kind == "insert":
        files[name] = data[:start] + rng.randbytes(rng.randint(1, 8)) + data[start:]
    elif kind == "pickle":
        files[name] = PICKLE
    else:
        files[name] = files[rng.choice(list(files))]
    return f"{kind} {name} at {start}"


def check_damaged(rng: random.Random, folder: Path) -> None:
    """Load a damaged component. It is refused with an error that names it, or it predicts and can be saved."""
    name = rng.choice(list(get_stored()))
    content = unpack(get_stored()[name])
    done = [] if rng.random() < 0.2 else [damage_value(content, rng)]
    files = pack(content)
    if not done:
        done.append(damage_file(files, rng))
    pipe = get_pipe(name)
    before = pipe.to_bytes(exclude=["vocab"])
    problem = get_error(lambda: load(pipe, files, folder if rng.random() < 0.2 else None))
    assert not EXECUTED, done
    assert {path.name for path in folder.iterdir()} <= {"component"}, done
    if problem is not None:
        assert f"Can't load the component '{name}'" in problem, done
        assert pipe.to_bytes(exclude=["vocab"]) == before, done
        return
    get_pipe.cache_clear()
    docs = [Doc(pipe.vocab, words=["Anna", "lives", "in", "Rome"]), Doc(pipe.vocab)]
    try:
        with numpy.errstate(all="ignore"):  # Any number may be a weight.
            list(pipe.pipe(docs))
    except (KeyError, ValueError) as error:  # It was stored without parameters. nlp turns thinc's KeyError into E109.
        message = str(error)
        assert "has not been allocated" in message or "initialized" in message, done
    pipe.to_bytes(exclude=["vocab"])


def load(pipe: Any, files: dict[str, bytes], folder: Path | None) -> None:
    """Load the files of a component as bytes, or from a folder inside of the given one."""
    if folder is None:
        pipe.from_bytes(srsly.msgpack_dumps(files), exclude=["vocab"])
        return
    path = folder / "component"
    path.mkdir(exist_ok=True)
    for name in ("cfg", "model"):
        (path / name).unlink(missing_ok=True)
    for name, data in files.items():
        (path / name).write_bytes(data)
    pipe.from_disk(path, exclude=["vocab"])


def get_error(call: Callable[[], Any]) -> str | None:
    """Call a function. RETURNS: the message of its ValueError, or None."""
    try:
        call()
    except ValueError as error:
        return str(error)
    return None


def test_few_damaged_components(tmp_path: Path) -> None:
    run_cases("models", lambda rng: check_damaged(rng, tmp_path), range(16))


@pytest.mark.slow
@pytest.mark.parametrize("block", range(N_BLOCKS))
def test_many_damaged_components(block: int, tmp_path: Path) -> None:
    run_cases("models", lambda rng: check_damaged(rng, tmp_path), get_block(block, 4_000))
