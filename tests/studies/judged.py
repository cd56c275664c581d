"""Results as `studies/judge.py` writes them, with numbers that one can tell apart."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

from tests.conftest import ROOT

Tree = dict[str, Any]
ARMS = ("one_cycle", "constant", "autowu", "step")  # of studies/params.yaml: better, worse, and without a result


def difference(value: float, word: str) -> Tree:
    said = {"better": "lies below zero", "worse": "lies above zero"}.get(word, "crosses zero")
    return {
        "value": value,
        "interval": [value - 0.01, value + 0.02],
        "corrected": [value - 0.03, value + 0.04],
        "p": 0.03125,
        "word": word,
        "reason": f"the corrected interval {said}",
    }


def arm(name: str, rmse: float, word: str = "") -> Tree:
    line = {"arm": name, "failed": "", "against": "one_cycle" if word else None}
    line |= {"mae": 0.8 * rmse, "rmse": rmse, "r2": 1 - rmse, "mae_std": 0.001, "rmse_std": 0.002, "r2_std": 0.003}
    line |= {f"{name}_interval": [line[name] - 0.05, line[name] + 0.06] for name in ("mae", "rmse", "r2")}
    line |= {"learning_rate": 0.00316, "parameters": 73456, "seconds": 12.5, "tried": 3}
    line["halved"] = [4, 3, 5, 4, None if name == "constant" else 12, 4]
    if word:
        line |= {f"{metric}_difference": difference(rmse - 0.2, word) for metric in ("rmse", "mae")}
    return line


def panel(problem: str, size: str) -> Tree:
    failed = {"arm": "step", "failed": "the loss is not finite", "against": "one_cycle"}
    return {
        "problem": problem,
        "size": size,
        "target": "log10_axion_mass",
        "unit": " [dex]",
        "lenses": 1490,
        "confidence": 0.95,
        "arms": [arm("one_cycle", 0.2), arm("constant", 0.25, "worse"), arm("autowu", 0.19, "undecided"), failed],
        "shortcuts": {
            "constant": {"mae": 0.5, "rmse": 0.6, "r2": -0.001},
            "profile": {"mae": 0.3, "rmse": 0.4, "r2": 0.91},
        },
        "published": {"ResNet34, 300 epochs": {"mae": 0.2162}} if size == "all" else {},
    }


def study(name: str = "schedule", budget: str = "smoke", problems: tuple[str, ...] = ("model_2_rings",)) -> Tree:
    return {
        "study": name,
        "question": "Which schedule of the learning rate?",
        "budget": budget,
        "images": 1400,
        "epochs": 14,
        "seeds": [0, 1, 2, 3, 4, 5],
        "rate": "tuned",
        "same": {"train.fit.batch_size": 32},
        "arms": {
            "one_cycle": {"input": "arcsinh", "backbone": "cnn", "differs": {}, "against": None},
            "autowu": {
                "input": "arcsinh",
                "backbone": "cnn",
                "differs": {"train.fit.schedule": {"kind": "autowu"}},
                "against": "one_cycle",
            },
        },
        "machine": "x86_64, 2 cores",
        "seconds": 5400,
        "command": f"dvc repro studies/dvc.yaml:{name}",
        "panels": [panel(problem, size) for problem in problems for size in ("175", "all")],
    }


def put(root: Path, tree: Tree) -> Path:
    """The results where the stage of the study would write them."""
    folder = root / "studies" / "results" / tree["study"] / tree["budget"]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "table.json").write_text(json.dumps(tree))
    (folder / "figure.svg").write_text(f"<svg>{tree['study']} {tree['budget']}</svg>")
    return folder


def project(folder: Path) -> Path:
    """A root with pages and a plan as this one has them, without results, and without marks that ask for some."""
    for name in ("README.md", "mkdocs.yml", "params.yaml", "studies/params.yaml"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    shutil.copytree(ROOT / "docs", folder / "docs", ignore=shutil.ignore_patterns("results", "blog", "paper"))
    for page in [folder / "README.md", *(folder / "docs").rglob("*.md")]:
        page.write_text(re.sub(r"<!--= [^>]*-->.*?<!--/-->", "", page.read_text(), flags=re.DOTALL))
    return folder
