"""Audit: each planted fault is found, and no other error; the public sets are called what they are."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits

from pipeline import checks, findings, params, sky
from pipeline.audit import audit, look
from pipeline.describe import describe
from pipeline.errors import InputError
from pipeline.findings import KNOWN, Finding
from pipeline.sources import OBSERVED, Source, deeplense, simulation
from pipeline.store import Store
from tests.checks.planted import FAULTS, Lenses, clean, measured
from tests.conftest import ROOT


@pytest.fixture(scope="module")
def lenses() -> Lenses:
    return clean()


def found_in(store: Store) -> list[Finding]:
    return look(measured(store))[0]


def codes(found: list[Finding], severity: str) -> set[str]:
    return {one.code for one in found if one.severity == severity}


def test_nothing_is_wrong_with_clean_lenses(lenses: Lenses, tmp_path: Path) -> None:
    assert found_in(lenses.write(tmp_path / "images.zarr")) == []


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found_and_no_other_error(fault: str, lenses: Lenses, tmp_path: Path) -> None:
    code, plant = FAULTS[fault]
    found = found_in(plant(lenses).write(tmp_path / "images.zarr"))
    assert code in {one.code for one in found}
    assert codes(found, "error") <= {code}
    assert codes(found, "warning") <= {code} | CONSEQUENCES.get(fault, set())


CONSEQUENCES = {  # what else is then true, and no error
    "images scaled to [0, 1]": {"noise_wrong", "pedestal", "poisson_twice"},
    "images cast to integers": {"noise_wrong", "clipped_sky", "blank_images"},
    "pixels that are NaN": {"blank_images"},
}


def test_every_code_can_be_planted() -> None:
    """But for notes that only say how the pixels are stored."""
    assert set(KNOWN) - {code for code, _ in FAULTS.values()} == {"dtype", "dynamic_range"}


def stored(source: Source, rows: int, target: Path) -> Store:
    """The first rows of a source as `ingest` would write them."""
    drawn = source.read(np.arange(rows))
    known = np.isfinite(drawn.noise)
    columns = {
        "images": drawn.images.astype(np.float32),
        "targets": np.stack(list(drawn.targets.values()), axis=1),
        "id": drawn.id.astype(str),
        "group": drawn.group,
        "noise": np.where(known, drawn.noise, sky.border(drawn.images)).astype(np.float32),
        "noise_known": known,
        "observed": np.stack([drawn.observed.get(name, np.full(rows, np.nan)) for name in OBSERVED], axis=1),
    }
    if drawn.kind is not None:
        columns["kind"] = drawn.kind.astype(str)
    said = {"target_names": list(drawn.targets), "units": source.units, "observed": list(OBSERVED)}
    return Lenses(columns, said).write(target)


def simulated(target: Path, *overrides: str) -> list[Finding]:
    """What is found in 256 lenses of params.yaml, with overrides."""
    chosen = params.read(overrides, "simulation", path=ROOT / "params.yaml")
    return found_in(stored(simulation.open_source(chosen), 256, target))


def test_the_embedded_default_gives_its_mass_away_in_the_ring(tmp_path: Path) -> None:
    """Faint lenses behind one macro model, all alike, and none a copy of another: a vortex is all that moves a ring."""
    (found,) = simulated(tmp_path / "images.zarr")
    assert (found.code, found.severity) == ("shortcut_label", "warning")
    assert found.summary.startswith("log10_axion_mass can be read from the ring radius alone (R² 0.")
    assert found.evidence["ring_radius"] == pytest.approx(0.79, abs=0.1)  # of the verdict, of 2,000 training lenses
    assert "simulation.preset: axion_free" in found.remedy


def test_where_the_macro_model_is_free_the_ring_tells_nothing_of_the_mass(tmp_path: Path) -> None:
    """It tells of what it is the ring of, which that preset has as labels too."""
    found = simulated(tmp_path / "images.zarr", "simulation.preset=axion_free")
    told = {one.evidence["label"] for one in found if one.code == "shortcut_label"}
    assert told == {"einstein_radius", "log10_mass_within"}


@pytest.fixture
def public(shared_data: Path, section: Callable[..., Any], tmp_path: Path) -> Callable[[str], list[Finding]]:
    """What the audit finds in one of DeepLense's sets."""

    def find(name: str) -> list[Finding]:
        folder = shared_data / "deeplense" / name
        source = deeplense.open_source(section("ingest", "ingest.source=deeplense", f"ingest.path={folder}"))
        return found_in(stored(source, source.rows, tmp_path / f"{name}.zarr"))

    return find


def test_model_two_is_noise_free_and_its_ring_tells_its_labels(public: Callable[[str], list[Finding]]) -> None:
    """Its macro halo is fixed, so that what is added to it shows in the ring: the vortex moves it by a twentieth."""
    found = {one.code: one for one in public("Model_II")}
    assert codes(list(found.values()), "error") == set()
    grave = {"noise_free", "missing_labels", "shortcut_label", "shortcut_class"}
    assert codes(list(found.values()), "warning") == grave
    assert found["noise_free"].evidence["fraction"] == 1.0
    for code in ("shortcut_label", "shortcut_class"):
        evidence = found[code].evidence
        assert max(evidence["flux"], evidence["signal_to_noise"], evidence["level"]) < 0.3 < evidence["ring_radius"]


def test_model_one_has_its_photon_noise_twice_and_its_sky_cut(public: Callable[[str], list[Finding]]) -> None:
    """Its photon counts are whole numbers and no error: they were not cast after their noise was drawn."""
    found = {one.code: one for one in public("Model_I")}
    assert codes(list(found.values()), "error") == set()
    assert {"poisson_twice", "clipped_sky", "shortcut_class"} <= codes(list(found.values()), "warning")
    assert found["poisson_twice"].evidence["slope"] == pytest.approx(2, abs=0.3)
    assert found["clipped_sky"].evidence["median_fraction_of_exact_zeros"] == pytest.approx(0.43, abs=0.05)


def test_model_two_cast_to_integers_is_an_error(public: Callable[[str], list[Finding]], tmp_path: Path) -> None:
    """What the regression projects of 2022 did: four or five grey levels are left, and some lenses become one image."""
    public("Model_II")
    images = Store(str(tmp_path / "Model_II.zarr")).read("images")
    cast = Lenses({"images": np.trunc(images), "id": np.arange(len(images)).astype(str)}).write(tmp_path / "cast.zarr")
    found = {one.code: one for one in found_in(cast)}
    assert codes(list(found.values()), "error") == {"grey_levels", "duplicates"}
    assert 3 <= found["grey_levels"].evidence["median_levels"] <= 5


def test_real_frames_with_holes_are_audited(shared_data: Path, tmp_path: Path) -> None:
    files = sorted((shared_data / "panstarrs").glob("*/*.fits"))
    frames = [fits.getdata(file).astype(np.float32) for file in files]
    frames = [frame for frame in frames if frame.shape == (120, 120)]
    columns = {"images": np.stack(frames)[:, None], "id": np.arange(len(frames)).astype(str)}
    found = found_in(Lenses(columns).write(tmp_path / "images.zarr"))
    assert codes(found, "error") == {"nan_pixels"}


@pytest.mark.parametrize("band", ["jwst/wavebands/F115W", "jwst/wavebands/F444W", "hst/slacs0946+1006"])
def test_a_single_real_frame_is_audited(shared_data: Path, tmp_path: Path, band: str) -> None:
    image = fits.getdata(shared_data / band / "data.fits").astype(np.float32)
    columns = {"images": image[None, None], "id": np.array(["one"])}
    assert codes(found_in(Lenses(columns).write(tmp_path / "images.zarr")), "error") == set()


def described_and_audited(metrics: str, folder: str) -> None:
    describe("images.zarr", "lenses.parquet")
    audit("images.zarr", "lenses.parquet", metrics, folder)


def test_the_stage_writes_the_card_the_pairs_and_the_figures(lenses: Lenses, tiny: Path) -> None:
    _, plant = FAULTS["turned copies"]
    plant(lenses).write(tiny / "images.zarr")
    described_and_audited("audit.json", "audit")
    told = json.loads(Path("audit.json").read_text())
    assert told["rows"] == len(lenses["images"])
    assert [one["code"] for one in told["findings"]] == ["duplicates"]
    pairs = pd.read_csv("audit/pairs.csv")
    assert pairs["row_a"].tolist() == [0, 1, 2, 3, 4]
    assert pairs["row_b"].tolist() == [300, 301, 302, 303, 304]
    assert set(pairs["symmetry"]) == {"rot90"}
    assert set(pairs["similarity"]) == {1.0}
    names = {"labels", "noise", "mean_variance", "gallery", "shortcuts"}
    assert {file.stem for file in Path("audit/figures").glob("*.png")} == names
    assert "duplicates" in Path("audit/card.md").read_text()
    assert pd.read_csv("audit/findings.csv")["code"].tolist() == ["duplicates"]


def test_the_same_store_gives_the_same_bytes(lenses: Lenses, tiny: Path) -> None:
    lenses.write(tiny / "images.zarr")
    written = []
    for number in (1, 2):
        described_and_audited(f"{number}/audit.json", f"{number}/audit")
        folder = Path(str(number))
        written.append({f.relative_to(folder): f.read_bytes() for f in sorted(folder.rglob("*")) if f.is_file()})
    assert written[0] == written[1]


def test_the_shards_are_read_in_blocks(lenses: Lenses, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And what is measured does not depend on where they are cut."""
    store = lenses.write(tmp_path / "images.zarr")
    whole = measured(store).numbers
    monkeypatch.setattr(
        Store, "blocks", lambda store: ((a, min(a + 100, store.rows)) for a in range(0, store.rows, 100))
    )
    pieces = measured(store).numbers
    for name in whole.keys() - {*checks.COLUMNS, *checks.DESCRIBED}:
        np.testing.assert_allclose(pieces[name], whole[name], rtol=1e-9, atol=1e-9, err_msg=name)


def test_masked_pixels_are_not_judged(lenses: Lenses, tmp_path: Path) -> None:
    """`ingest.nan: mask` puts zeros where nothing was measured: no blank sky, no saturation, no NaN."""
    images, mask = lenses["images"].copy(), np.zeros(lenses["images"].shape, dtype=bool)
    mask[:, :, :, 40:] = True
    images[mask] = np.nan
    assert found_in(lenses.but(images=images, mask=mask).write(tmp_path / "images.zarr")) == []


def test_a_mistake_in_params_stops_the_audit(tiny: Path) -> None:
    with pytest.raises(InputError, match=r"^audit\.acept"):
        audit("images.zarr", "lenses.parquet", "audit.json", "audit", overrides=["audit.acept=[]"])


def test_a_store_that_cannot_be_read_is_an_error(tiny: Path) -> None:
    with pytest.raises(InputError, match=r"^images\.zarr: no store here"):
        audit("images.zarr", "lenses.parquet", "audit.json", "audit")


def test_a_table_of_other_lenses_is_an_error(lenses: Lenses, tiny: Path) -> None:
    lenses.write(tiny / "images.zarr")
    with pytest.raises(InputError, match=r"^lenses\.parquet: no such file; python -m pipeline\.describe writes it"):
        audit("images.zarr", "lenses.parquet", "audit.json", "audit")
    Lenses({"images": lenses["images"][:5], "id": lenses["id"][:5]}).write(tiny / "five.zarr")
    describe("five.zarr", "lenses.parquet")
    with pytest.raises(InputError, match=r"^lenses\.parquet: made for 5 rows, but the images have 320"):
        audit("images.zarr", "lenses.parquet", "audit.json", "audit")
    assert not (tiny / "audit.json").exists()


def test_split_reads_what_the_audit_wrote(tmp_path: Path) -> None:
    bad, odd = findings.finding("duplicates", "two", pairs=1), findings.finding("noise_free", "all", images=3)
    (tmp_path / "audit.json").write_text(json.dumps({"findings": findings.plain([bad, odd])}))
    read = findings.read(tmp_path / "audit.json")
    assert read == [bad, odd]
    assert findings.refused(read, []) == [bad]
    assert findings.refused(read, ["duplicates"]) == []
    with pytest.raises(InputError, match=r"^audit\.accept: the audit knows no 'duplicate'; it finds .*duplicates"):
        findings.refused(read, ["duplicate"])


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"findings": [{"code": "duplicates"}]}'])
def test_what_is_no_audit_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "audit.json").write_text(text)
    with pytest.raises(InputError, match=r"audit\.json: not what python -m pipeline\.audit writes"):
        findings.read(tmp_path / "audit.json")


def test_the_card_is_croissant_that_validates_without_a_network(lenses: Lenses, tiny: Path) -> None:
    """And its digests are those of the files it names."""
    lenses.write(tiny / "images.zarr")
    described_and_audited("audit.json", "data/audit")
    offline = "import socket, sys; socket.socket.connect = None; from mlcroissant.scripts.cli import main; "
    options = ["validate", "--jsonld", "data/audit/croissant.json"]
    command = [sys.executable, "-c", f"{offline} sys.argv = ['mlcroissant', *sys.argv[1:]]; main()", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Done" in done.stderr, done.stderr
    assert "error" not in done.stderr, done.stderr
    card = json.loads(Path("data/audit/croissant.json").read_text())
    assert card["conformsTo"] == "http://mlcommons.org/croissant/1.1"
    fields = {field["name"]: field for field in card["recordSet"][0]["field"]}
    assert fields["images"]["arrayShape"] == "1,48,48"
    files = [entry for entry in card["distribution"] if entry["@type"] == "cr:FileObject"]
    assert {"zarr.json", "images/c/0/0/0/0"} <= {file["name"] for file in files}
    for file in files:
        content = Path("data/audit", file["contentUrl"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == file["sha256"]
