"""Seconds and peak memory of `compare` as a process, at full size and with everything that a network can say.

    python -m benchmarks.verdict [lenses]

2 inputs x 2 backbones x 10 seeds on 20,000 test lenses by default, a quantile at every level and a density for each
answer, the shortcuts and the trees beside them.
"""

import json
import sys
import tempfile
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import ndtri

from benchmarks.memory import ROOT, stage
from pipeline import tables

RUNS = list(product(("raw", "engineered"), ("cnn", "resnet"), range(10)))
SHORTCUTS = ("constant", "flux", "ring_radius", "profile", "pca_ridge")
PLACES = ("predictions", "baselines", "lenses.parquet", "runs", "split.json", "audit.json", "shifted")
WRITTEN = ("metrics.json", "verdict.md", "by_bin.csv", "verdict.json")
BAR_SECONDS, BAR_MEMORY = 120, 2.0  # s, GB; on two cores


def lines(role: str, truth: np.ndarray, prediction: np.ndarray, sigma: float) -> pd.DataFrame:
    """What a run with a normal posterior says of the lenses of one role."""
    quantiles = prediction[:, None] + sigma * ndtri(np.array(tables.LEVELS) / 100)
    said = {"truth": truth, "prediction": prediction, "spread": np.full(len(truth), sigma)}
    said |= {f"q{level:g}": column for level, column in zip(tables.LEVELS, quantiles.T, strict=True)}
    said["nll"] = ((truth - prediction) / sigma) ** 2 / 2 + np.log(sigma * np.sqrt(2 * np.pi))
    return tables.lines(role, _ids(role, len(truth)), ["mass"], ["dex(eV)"], {k: v[:, None] for k, v in said.items()})


def _ids(role: str, rows: int) -> np.ndarray:
    return np.char.add(f"{role} ", np.arange(rows).astype(str))


def fabricate(folder: Path, lenses: int) -> None:
    """Everything that `compare` reads, in the folder."""
    generator = np.random.default_rng(0)
    roles = {"calibration": lenses // 3, "test": lenses}
    truth = {role: generator.normal(-22, 0.4, rows) for role, rows in roles.items()}
    hard = {role: generator.normal(0, 0.1, rows) for role, rows in roles.items()}
    for name, backbone, seed in RUNS:
        sigma = 0.1 if name == "raw" else 0.095
        parts = [
            lines(role, truth[role], truth[role] + hard[role] + generator.normal(0, sigma, rows), sigma * np.sqrt(2))
            for role, rows in roles.items()
        ]
        tables.write(pd.concat(parts), folder / "predictions" / f"{name}-{backbone}-all-{seed}.parquet")
    plain = {"raw": ["constant"], "engineered": ["constant", "tree"], "shortcuts": SHORTCUTS}
    for name, models in plain.items():
        parts = [lines("test", truth["test"], np.full(lenses, -22.0), 0.4).assign(model=model) for model in models]
        tables.write(pd.concat(parts), folder / "baselines" / f"{name}.parquet")
    described = {"id": _ids("test", lenses), "row": np.arange(lenses), "group": np.arange(lenses)}
    described |= {"kind": "", "flux": 1.0, "ring_radius": 1.0, "ring_unit": "arcsec"}
    described |= {name: generator.lognormal(size=lenses) for name in ("signal_to_noise", "ring_over_psf")}
    tables.write(pd.DataFrame(described), folder / "lenses.parquet")
    (folder / "split.json").write_text(json.dumps({"rows": lenses, "counts": {"train": 100_000}}))
    (folder / "audit.json").write_text(json.dumps({"findings": []}))
    (folder / "params.yaml").write_text((ROOT / "params.yaml").read_text())


def main(lenses: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        fabricate(Path(name), lenses)
        seconds, peak = stage(Path(name), "pipeline.compare", *PLACES, *WRITTEN, f"train.seeds={list(range(10))}")
    print(f"compare: {len(RUNS)} runs, {lenses} test lenses: {seconds:.1f} s   bar {BAR_SECONDS} s: ", end="")
    print(f"{met(seconds <= BAR_SECONDS)}; peak {peak:.2f} GB   bar {BAR_MEMORY} GB: {met(peak <= BAR_MEMORY)}")


def met(reached: bool) -> str:
    return "met" if reached else "MISSED"


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000)
