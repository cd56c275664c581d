"""The quick start: a folder of .npy files and a table of labels becomes a verdict by its commands, as written."""

import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.clones import cloned, committed
from tests.conftest import environment, yaml
from tests.test_docs import DOCS, fences

COMMANDS = fences(DOCS / "quickstart.md", "bash")
IMAGES, SIDE, SCALE = 40, 24, 0.1  # arcsec per pixel


def ring(radius: float, generator: np.random.Generator) -> np.ndarray:
    """A ring of that radius [arcsec] with two arcs on it, in noise of rms 1."""
    y, x = (np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2) * SCALE
    along = 1 + 0.5 * np.cos(2 * (np.arctan2(y, x) - generator.uniform(0, np.pi)))
    return 20 * along * np.exp(-(((np.hypot(x, y) - radius) / 0.12) ** 2)) + generator.normal(0, 1, (SIDE, SIDE))


def lenses(folder: Path) -> None:
    """A newcomer's folder, as the page describes it."""
    generator = np.random.default_rng(0)
    folder.mkdir()
    lines = ["id,einstein_radius"]
    for i in range(IMAGES):
        radius = generator.uniform(0.4, 0.9)
        np.save(folder / f"lens_{i:03d}.npy", ring(radius, generator).astype(np.float32))
        lines.append(f"lens_{i:03d}.npy,{radius:.4f}")
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")


def test_it_takes_five_commands() -> None:
    lines = "".join(COMMANDS).replace("\\\n", "").splitlines()
    assert len(lines) == 5, lines


@pytest.mark.proof
def test_it_ends_in_a_verdict_on_ones_own_lenses(tmp_path: Path) -> None:
    """All of it in one shell, whose home has the folder."""
    home = tmp_path / "home"
    home.mkdir()
    lenses(home / "lenses")
    clone = committed(cloned(tmp_path / "clone"))
    script = "set -e\n" + "".join(COMMANDS)
    done = subprocess.run(
        ["bash", "-c", script], cwd=clone, env=environment(HOME=str(home)), capture_output=True, text=True
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert f"ingest: {IMAGES} images of 1 x {SIDE} x {SIDE} from deeplense, 0 in quarantine" in done.stdout
    verdict = (clone / "data" / "verdict.md").read_text()
    assert done.stdout.endswith(verdict)
    assert "**einstein_radius**, 8 test lenses" in verdict
    assert "| engineered − raw | cnn |" in verdict
    assert "log10_axion_mass" not in verdict
    assert (clone / "data" / "report" / "index.html").is_file()
    assert yaml(clone / "params.yaml")["ingest"]["path"] == str(home / "lenses")
