"""params.yaml: what is right is read as DVC reads it, what is wrong is refused by name."""

from pathlib import Path

import pytest

from pipeline import params
from pipeline.errors import InputError
from tests.conftest import ROOT, TINY, yaml


def test_both_files_of_the_project_are_valid_and_have_the_same_keys() -> None:
    def keys(tree: object, prefix: str = "") -> set[str]:
        if not isinstance(tree, dict) or prefix == ".simulation.priors":  # any of them may be there
            return {prefix}
        return {leaf for key, value in tree.items() for leaf in keys(value, f"{prefix}.{key}")}

    assert params.read([], "split.seed") == 0
    assert keys(yaml(TINY)) == keys(yaml(ROOT / "params.yaml"))


def test_reads_yaml_1_2(tmp_path: Path) -> None:
    """`1e-3` is a number there; PyYAML says it is a string."""
    text = TINY.read_text().replace("floor: 1.0e-3", "floor: 1e-3")
    (tmp_path / "params.yaml").write_text(text)
    assert params.read([], "features.floor", path=tmp_path / "params.yaml") == 0.001


def test_gives_what_is_asked_for_in_that_order() -> None:
    softening, fit = params.read([], "features.softening", "train.fit", path=TINY)
    assert softening == 3.0
    assert fit.batch_size == 16


def test_overrides_are_read_and_checked_like_the_file() -> None:
    assert params.read(["train.seeds=[3, 4]"], "train.seeds", path=TINY) == [3, 4]
    with pytest.raises(InputError, match=r"^train\.fit\.epochs: 'x' is not valid"):
        params.read(["train.fit.epochs=x"], "train.fit", path=TINY)


def test_a_glob_needs_no_quotes() -> None:
    assert params.read(["ingest.pattern=*.npy"], "ingest", path=TINY).pattern == "*.npy"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("features.softening=-1", r"^features\.softening: -1 .*greater than 0"),
        ("features.softening=.nan", r"^features\.softening: nan .*finite"),
        ("features.softening='3'", r"^features\.softening: '3' .*number"),
        ("features.transform=lgo", r"^features\.transform: 'lgo' .*'linear', 'sqrt', 'power', 'log' or 'arcsinh'"),
        ("features.tranform=log", r"^features\.tranform: no such parameter.* transform, softening"),
        ("feature.transform=log", r"^feature\.transform: no such parameter"),
        ("normalise.target=rank", r"^normalise\.target: 'rank' .*'standard', 'robust', 'range' or 'none'"),
        ("ingest.source=sdss", r"^ingest\.source: 'sdss' .*'simulation', 'deeplense', 'fits', 'hdf5'"),
        ("split.fractions.train=0.9", r"^split\.fractions: .*add up to 1"),
        ("train.backbones=[vgg]", r"^train\.backbones: no backbone 'vgg'; there are cnn, resnet"),
        ("train.seeds=[0, 1, 0]", r"^train\.seeds: 0 is there twice"),
        ("train.seeds=[0", r"^train\.seeds: '\[0' is not YAML"),
        ("features.recipes.raw={maps: {ridge: {}}}", r"^features\.recipes\.raw: the control is"),
        ("train.inputs=[rwa]", r"^train\.inputs: no input 'rwa'; there are raw, engineered"),
        ("train.sizes=[most]", r"^train\.sizes\.0: 'most' is not valid"),
        ("train.fit.device=gpu", r"^train\.fit\.device: 'gpu'"),
        (
            "simulation.priors={slope: {uniform: [2.1, 1.9]}}",
            r"^simulation\.priors\.slope.*runs backwards; write \[1\.9, 2\.1",
        ),
        ("simulation.priors={slope: {normal: [2, 0]}}", r"^simulation\.priors\.slope.*0 is no width"),
        ("simulation.priors={slope: {log_uniform: [0, 2]}}", r"^simulation\.priors\.slope.*above zero, not 0"),
        (
            "simulation.priors={slope: {fixed: 2, normal: [2, 1]}}",
            r"slope.*one of uniform, .*; this is normal and fixed",
        ),
        ("simulation.preset=sis", r"^simulation\.preset: 'sis' .*'axion', 'axion_free', 'lens64'"),
        ("simulation.instrument=jwst", r"^simulation\.instrument: 'jwst' .*'euclid_vis', 'hst_wfc3_f160w'"),
        ("simulation.images=0", r"^simulation\.images: 0 .*greater than or equal to 1"),
        ("ingest.targets={a: {colunm: x}}", r"^ingest\.targets\.a\.colunm: no such parameter; there are column"),
    ],
)
def test_refuses_by_name(override: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        params.read([override], "split", path=TINY)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda text: text.replace("  seed: 0\n\nfeatures", "\nfeatures"), r"^split\.seed: missing from"),
        (lambda text: text + "\nextra: 1\n", r"^extra: no such parameter; there are engine, ingest, simulation, audit"),
        (lambda text: text.replace("ingest:", "ingest: ["), r"not YAML"),
        (lambda text: "3", r"expected sections"),
    ],
)
def test_refuses_a_broken_file(tmp_path: Path, edit: object, message: str) -> None:
    assert callable(edit)
    path = tmp_path / "params.yaml"
    path.write_text(edit(TINY.read_text()))
    with pytest.raises(InputError, match=message):
        params.read([], "split", path=path)


def test_refuses_a_folder_without_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"params\.yaml: no such file"):
        params.read([], "split", path=tmp_path / "params.yaml")
