"""A report with everything in it, from invented lenses and results: what the page is tested and looked at with."""

import base64
from typing import Any

import numpy as np

from pipeline.page import encoding

INPUTS, BACKBONES = ("raw", "engineered", "placebo"), ("cnn", "resnet", "d4net")
RUNS = [f"{name}-{backbone}-all" for name in INPUTS for backbone in BACKBONES] + ["engineered-cnn-2000"]
CHANNELS = ("pixels", "intensity", "radial residual", "ridge", "log power")
TARGET = "log10_axion_mass"
SKILL = {"raw": 0.55, "engineered": 0.72, "placebo": 0.53}
WORDS = {"engineered": "better", "placebo": "equivalent"}


def around(value: float, half: float) -> dict[str, float]:
    return {"value": value, "low": value - half, "high": value + half}


def lens(size: int, generator: np.random.Generator) -> np.ndarray:
    """Channels (5, size, size) of a galaxy inside an arc and its counter-arc, with noise."""
    y, x = (np.mgrid[:size, :size] - size / 2 + 0.5) / size
    radius, angle = np.hypot(x, y), np.arctan2(y, x)
    ring, turn, width = generator.uniform(0.2, 0.34), generator.uniform(-np.pi, np.pi), generator.uniform(0.02, 0.04)
    along = np.exp(1.6 * (np.cos(angle - turn) - 1)) + 0.5 * np.exp(4 * (-np.cos(angle - turn) - 1))
    arc = along * np.exp(-0.5 * ((radius - ring * (1 + 0.06 * np.cos(2 * angle))) / width) ** 2)
    galaxy = 1.6 * np.exp(-((radius / 0.06) ** 0.6))
    pixels = arc + galaxy + 0.05 * generator.normal(size=radius.shape)
    power = np.log10(np.abs(np.fft.fftshift(np.fft.fft2(pixels))) ** 2 + 1e-3)
    return np.stack([pixels, np.arcsinh(pixels / 0.1), pixels - galaxy, np.gradient(pixels)[0] ** 2, power])


def scatter(lenses: int, generator: np.random.Generator) -> dict[str, Any]:
    truth = generator.uniform(-24, -22, lenses)
    runs = {}
    for run in RUNS:
        skill = SKILL[run.split("-")[0]] - (0.1 if run.endswith("2000") else 0.0)
        spread = 0.58 * np.sqrt(1 - skill) * np.ones(lenses)
        learnt = np.maximum(truth, -23.4)
        prediction = learnt + spread * generator.normal(size=lenses)
        runs[run] = {"prediction": prediction, "low": prediction - spread, "high": prediction + spread}
    facts = {"S/N": np.exp(generator.normal(3.2, 0.6, lenses)), "ring radius [″]": generator.uniform(0.8, 1.5, lenses)}
    return {
        "note": "Of each run the mean over its seeds.",
        "interval": "68 % interval",
        "ids": [f"lens {k:05d}" for k in range(lenses)],
        "facts": facts,
        "targets": {TARGET: {"unit": "dex", "truth": truth, "runs": runs}},
    }


def verdict() -> dict[str, Any]:
    rows: list[dict[str, Any]] = [
        {"input": "none", "backbone": "constant", "size": "all", "target": TARGET, "unit": "dex",
         "rmse": {"value": 0.577}, "mae": {"value": 0.5}, "r2": {"value": 0.0}, "skill": {"value": 0.0}},
    ]  # fmt: skip
    for run in RUNS:
        name, backbone, size = run.split("-")
        skill = SKILL[name] + 0.02 * len(backbone) - 0.06 - (0.1 if size != "all" else 0)
        row: dict[str, Any] = {"input": name, "backbone": backbone, "size": size, "target": TARGET, "unit": "dex"}
        row |= {"rmse": around(0.577 * np.sqrt(1 - skill), 0.011), "mae": around(0.45 * np.sqrt(1 - skill), 0.009)}
        row |= {"r2": around(skill, 0.02), "skill": around(skill, 0.021)}
        if name != "raw":
            word = "undecided" if size != "all" else "worse" if run == "placebo-d4net-all" else WORDS[name]
            delta = {"better": -0.078, "equivalent": 0.003, "undecided": -0.012, "worse": 0.041}[word]
            reason = {"undecided": "the interval crosses zero", "equivalent": "within ±5 % of the control"}.get(
                word, ""
            )
            p = {"better": 0.008, "equivalent": 1.0, "undecided": 0.27, "worse": 0.016}[word]
            row["contrast"] = {"against": "raw", "difference": around(delta, 0.019), "p": p, "word": word} | (
                {"reason": reason} if reason else {}
            )
        rows.append(row)
    return {
        "cautions": ["noise_free: 2 % of the images have no noise; no telescope can measure what is read there."],
        "sentences": [
            "Engineered channels beat raw pixels on every network tried: the error falls by 0.078 dex (corrected "
            "interval 0.059 to 0.097), with eight seeds and 3,000 test lenses.",
            "The placebo, the same channels shuffled between lenses, is equivalent to raw: what helps is what the "
            "channels say, not that they are there.",
        ],
        "rows": rows,
        "contrasts": [
            {"name": "engineered minus placebo, cnn", "against": "placebo", "difference": around(-0.081, 0.02),
             "p": 0.008, "word": "better"},
        ],
    }  # fmt: skip


def binned(generator: np.random.Generator, low: float, high: float) -> dict[str, Any]:
    at = np.linspace(low, high, 8)
    runs = {}
    for run in RUNS[:6]:
        value = 0.2 + 0.3 * np.exp(-(at - low) / (high - low) * 3) - 0.1 * SKILL[run.split("-")[0]]
        value += 0.01 * generator.normal(size=8)
        runs[run] = {"at": at, "value": value, "low": value - 0.02, "high": value + 0.02, "lenses": [375] * 8}
    return runs


def bins(generator: np.random.Generator) -> dict[str, Any]:
    views = [
        {"tab": "truth", "x": "true log10 axion mass [dex]", "runs": binned(generator, -24, -22),
         "plateaus": [{"low": -24.0, "high": -23.4, "label": "nothing is learnt here"}]},
        {"tab": "S/N", "x": "signal to noise", "runs": binned(generator, 5, 80)},
        {"tab": "ring radius / PSF", "x": "ring radius / PSF FWHM", "runs": binned(generator, 4, 9)},
    ]  # fmt: skip
    return {"views": [{"target": TARGET, "y": "MAE [dex]", **view} for view in views]}


def curves(generator: np.random.Generator) -> dict[str, Any]:
    epoch = np.arange(1, 41)
    runs = {}
    for run in RUNS:
        lines = []
        for _ in range(3):
            fall = 0.15 + np.exp(-epoch / 8) * generator.uniform(0.7, 0.9)
            lines.append({"name": "train", "values": fall + 0.01 * generator.normal(size=40)})
            lines.append(
                {"name": "validation", "values": fall + 0.05 + 0.001 * epoch + 0.02 * generator.normal(size=40)}
            )
        runs[run] = {"x": "epoch", "y": "loss", "lines": lines}
    return {"runs": runs}


def calibration(generator: np.random.Generator) -> dict[str, Any]:
    runs = []
    for index, run in enumerate(RUNS[:4]):
        nominal = np.array([0.1, 0.3, 0.5, 0.68, 0.8, 0.9, 0.95])
        observed = nominal ** (0.9 + 0.12 * index)
        half = 2 * np.sqrt(observed * (1 - observed) / 800)
        points = [
            {"nominal": a, "observed": b, "low": b - h, "high": b + h}
            for a, b, h in zip(nominal, observed, half, strict=True)
        ]
        pit, _ = np.histogram(generator.beta(1 + 0.15 * index, 1 + 0.15 * index, 800), 16, (0, 1))
        runs.append({"run": run, "target": TARGET, "coverage": points, "pit": pit, "pit_band": (37, 64)})
    return {"runs": runs, "joint": [{"run": run, "nll": around(-1.25, 0.04)} for run in RUNS[:2]]}


def classes() -> dict[str, Any]:
    rates, said = np.linspace(0, 1, 51), np.linspace(0.05, 0.95, 10)
    runs = []
    for index, run in enumerate(RUNS[:4]):
        observed = said ** (0.8 + 0.2 * index)
        reliability = [
            {"prediction": a, "observed": b, "low": max(0, b - 0.1), "high": min(1, b + 0.1), "answers": 80}
            for a, b in zip(said, observed, strict=True)
        ]
        roc = {"false": rates, "true": rates ** (0.2 + 0.1 * index)}
        area, off = around(1 / (1.2 + 0.1 * index), 0.02), float(np.abs(said - observed).mean())
        one = {"run": run, "target": "vortex", "auc": area, "roc": roc, "reliability": reliability}
        runs.append(one | {"calibration_error": off})
    return {"runs": runs}


def effects(generator: np.random.Generator) -> dict[str, Any]:
    rows = [
        {"name": name, "family": family, "difference": around(generator.normal(0, 0.03), 0.015), "p": 0.2,
         "word": "undecided"}
        for family in ("leave one out", "leave one in")
        for name in (*CHANNELS[1:], "radial profile", "multipoles")
    ]  # fmt: skip
    return {"unit": "dex", "rows": rows, "note": "Exploratory: p adjusted by Benjamini and Hochberg."}


def efficiency() -> dict[str, Any]:
    areas = [{"name": run, "area": around(0.3, 0.01)} for run in RUNS[:2]]
    sizes = np.array([500, 1000, 2000, 4000, 14000])
    arms = []
    for run, a in (("raw-cnn-all", 4.0), ("engineered-cnn-all", 2.6)):
        errors = a * sizes**-0.5 + 0.21
        fit = {"a": a, "b": 0.5, "c": 0.21}
        arms.append({"run": run, "sizes": sizes, "errors": [around(e, 0.04 * e) for e in errors], "fit": fit})
    saved = [{"name": "engineered-cnn", "ratio": around(2.4, 0.4), "said": "2,000 images do what 4,800 do for raw"}]
    return {"unit": "dex", "arms": arms, "areas": areas, "saved": saved}


def robustness(generator: np.random.Generator) -> dict[str, Any]:
    shifts = ("psf_narrow", "psf_wide", "noise_low", "noise_high", "light_offset", "clumpy")
    rows = [
        {"run": run, "target": TARGET, "shift": shift, "change": around(0.02 * k + generator.uniform(0, 0.02), 0.01),
         "coverage": around(0.68 - 0.03 * k, 0.03)}
        for k, shift in enumerate(shifts)
        for run in RUNS[:4]
    ]  # fmt: skip
    return {"unit": "dex", "nominal": 0.68, "rows": rows}


def cost() -> dict[str, Any]:
    price = {"cnn": (60, 4e5, 3e7), "resnet": (140, 1.1e6, 2e8), "d4net": (600, 9e5, 1.2e9)}
    prices = {"seconds": ("seconds", "seconds of one training"), "flops": ("FLOPs", "FLOPs of one image")}
    prices |= {"bytes": ("bytes", "bytes that a network reads of one image")}
    rows: list[dict[str, Any]] = []
    for run in RUNS:
        name, backbone, _ = run.split("-")
        seconds, parameters, flops = price[backbone]
        more = 1.2 if name == "engineered" else 1.0
        error = around(0.577 * np.sqrt(1 - SKILL[name] - 0.02 * len(backbone) + 0.06), 0.011)
        paid = {"seconds": seconds * more, "parameters": parameters, "flops": flops, "bytes": 16384 * (len(name) - 2)}
        at = {"bytes": paid["bytes"] * (1.05 if backbone == "d4net" else 1.0)}
        rows.append({"run": run, "target": TARGET, "error": error, "device": "cuda", "at": at, **paid})
    for row in rows:
        row["front"] = [key for key in prices if not any(beats(other, row, key) for other in rows)]
    features = [{"input": "raw", "feature": "pixels", "kind": "map", "work": 1.2, "wall": 1.4}]
    return {"unit": "dex", "prices": prices, "rows": rows, "features": features}


def beats(one: dict[str, Any], other: dict[str, Any], price: str) -> bool:
    """Whether one run is as good as another in error and in a price, and better in one of them."""
    a, b = ((row[price], row["error"]["value"]) for row in (one, other))
    return a != b and a[0] <= b[0] and a[1] <= b[1]


def making() -> dict[str, Any]:
    fairness = [
        {"arm": run, "budget": "8 h", "trials": 20, "steps": 4375, "augmentation": "turns, flips", "other": False}
        for run in RUNS[:6]
    ] + [{"arm": "d4net, long", "budget": "24 h", "trials": 60, "steps": 12000, "augmentation": "none", "other": True}]
    return {
        "command": "dvc exp run --set-param train.seeds='[0,1,2,3,4,5,6,7]' && dvc metrics show",
        "params": "train:\n  inputs: [raw, engineered]   # the arms\n" + "  x: 1\n" * 40,
        "versions": {"python": "3.11.9", "torch": "2.13.0", "numpy": "2.4.6"},
        "hashes": {"data/images.zarr": "5f2b7c1e" * 8, "params.yaml": "a41f90cc" * 8},
        "fairness": fairness,
    }


def content(lenses: int = 3000, shown: int = 60, size: int = 48) -> dict[str, Any]:
    """Every section, for so many lenses of which some are shown with their pictures."""
    generator = np.random.default_rng(0)
    tags = (["best"], ["worst"], ["outlier", "worst"], ["random"])
    rows = generator.choice(lenses, shown, replace=False)
    pictures = [{"row": int(row), "tags": tags[k % 4], "image": lens(size, generator)} for k, row in enumerate(rows)]
    findings = [
        {"code": "noise_free", "severity": "warning", "summary": "61 images have no noise", "accepted": False},
        {"code": "duplicates", "severity": "error", "summary": "3 pairs of equal images", "accepted": True},
        {"code": "ring_cut", "severity": "note", "summary": "2 rings touch the frame", "accepted": False},
    ]
    entries = {
        "name": "axion lenses", "images": 20000, "licence": "CC BY 4.0", "targets": {TARGET: "dex, −24 to −22"},
        "instrument": {"pixel scale": "0.1″", "PSF FWHM": "0.16″"}, "bands": ["VIS"],
    }  # fmt: skip
    picture = base64.b64encode(encoding.png(encoding.shaded(lens(96, generator)[0], 64))).decode("ascii")
    return {
        "title": "Do engineered channels help a network read dark matter?",
        "subtitle": "axion lenses, 14,000 for training, 3,000 for the test, eight seeds",
        "verdict": verdict(),
        "scatter": scatter(lenses, generator),
        "lenses": {"channels": list(CHANNELS), "shown": pictures},
        "bins": bins(generator),
        "curves": curves(generator),
        "calibration": calibration(generator),
        "classes": classes(),
        "ablation": effects(generator),
        "efficiency": efficiency(),
        "robustness": robustness(generator),
        "cost": cost(),
        "audit": {"findings": findings},
        "card": {"entries": entries, "images": [{"title": "a lens", "uri": f"data:image/png;base64,{picture}"}]},
        "making": making(),
    }
