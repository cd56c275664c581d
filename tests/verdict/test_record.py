"""The record: strict JSON, in the form that `dvc metrics` reads."""

import json
import math
from itertools import product
from typing import Any

import numpy as np
import pytest

from pipeline.verdict import record


def refuse(constant: str) -> Any:
    raise AssertionError(f"{constant} is no JSON")


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, np.float64("nan")])
def test_what_is_not_finite_is_null_wherever_it_stands(value: float) -> None:
    text = record.written({"a": value, "b": [1.5, (value, {"c": value})], "d": "x", "e": True, "f": 3})
    read = json.loads(text, parse_constant=refuse)
    assert read == {"a": None, "b": [1.5, [None, {"c": None}]], "d": "x", "e": True, "f": 3}
    assert text.endswith("}\n")


def test_numbers_keep_every_digit() -> None:
    assert json.loads(record.written({"x": 0.1 + 0.2, "y": 1e-300})) == {"x": 0.1 + 0.2, "y": 1e-300}


def test_nested_keeps_every_leaf_under_its_names() -> None:
    keys = list(product(("raw", "engineered"), ("cnn", "resnet"), ("all", "100"), ("mass", "slope")))
    flat = {key: {"mae": float(i)} for i, key in enumerate(keys)}
    tree = record.nested(flat)
    assert {key: tree[key[0]][key[1]][key[2]][key[3]] for key in keys} == flat
    assert [list(tree), list(tree["raw"]), list(tree["raw"]["cnn"])] == [
        ["raw", "engineered"],
        ["cnn", "resnet"],
        ["all", "100"],
    ]
    assert record.nested({}) == {}
