"""Source `fits`: images in any HDU and byte order, what headers and companions say of them, and refusals by name."""

import gzip
import pickle
import re
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.coordinates import Angle, SkyCoord
from astropy.io import fits

from pipeline.errors import InputError, Refused
from pipeline.sources import Lenses, Source, companions
from pipeline.sources import fits as source
from pipeline.sources.frame import Frame
from tests.conftest import complaint

Open = Callable[..., Source]
Read = Callable[..., Frame]
PYAUTOLENS = "ingest.companions={noise: noise_map.fits, psf: psf.fits, mask: mask_extra_galaxies.fits}"


@pytest.fixture
def folder(tmp_path: Path, generator: np.random.Generator) -> Path:
    """Two images, one in the primary HDU and one in an extension behind a header."""
    (tmp_path / "deep").mkdir()
    images = generator.normal(size=(2, 5, 7)).astype(">f4")
    fits.PrimaryHDU(images[0]).writeto(tmp_path / "a.fits")
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(images[1].astype(">f8"))]).writeto(tmp_path / "deep" / "b.fits")
    np.save(tmp_path / "images.npy", images)
    return tmp_path


@pytest.fixture
def opened(folder: Path, section: Callable[..., Any]) -> Open:
    return lambda *overrides: source.open_source(
        section("ingest", "ingest.source=fits", f"ingest.path={folder}", *overrides)
    )


@pytest.fixture
def read(tmp_path: Path, section: Callable[..., Any]) -> Read:
    """The frame of one file with these HDUs, this image or these bytes."""

    def one(what: Any, *overrides: str, name: str = "x.fits", **cards: Any) -> Frame:
        if isinstance(what, bytes):
            (tmp_path / name).write_bytes(what)
        else:
            hdus = fits.PrimaryHDU(what, fits.Header(cards)) if isinstance(what, np.ndarray) else what
            hdus.writeto(tmp_path / name, overwrite=True)
        return source.read_image(section("ingest", f"ingest.path={tmp_path}", *overrides), tmp_path / name)

    return one


def everything(source: Source) -> Lenses:
    return source.read(np.arange(source.rows))


def extensions(**images: np.ndarray) -> fits.HDUList:
    """An empty primary HDU, then these under their names."""
    return fits.HDUList([fits.PrimaryHDU(), *(fits.ImageHDU(data, name=name) for name, data in images.items())])


def gaussian(fwhm: float, x: float = 20.0, y: float = 20.0, shape: tuple[int, int] = (41, 41)) -> np.ndarray:
    rows, columns = np.indices(shape)
    return np.exp(-4 * np.log(2) * ((columns - x) ** 2 + (rows - y) ** 2) / fwhm**2)


def sky(scale: float, angle: float = 0.0, stretch: float = 1.0) -> dict[str, Any]:
    """Cards of a tangential projection of `scale` arcsec a pixel, turned by `angle` degrees."""
    c, s, step = np.cos(np.radians(angle)), np.sin(np.radians(angle)), scale / 3600
    return {
        "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 150.1, "CRVAL2": 2.2, "CRPIX1": 4.0, "CRPIX2": 3.0,
        "CD1_1": -step * c, "CD1_2": stretch * step * s, "CD2_1": step * s, "CD2_2": stretch * step * c,
    }  # fmt: skip


def test_reads_either_hdu_in_native_byte_order(folder: Path, opened: Open) -> None:
    lenses = everything(opened())
    assert lenses.id.tolist() == ["a.fits", "deep/b.fits"]
    assert lenses.images.dtype == np.dtype("=f4")
    np.testing.assert_array_equal(lenses.images[:, 0], np.load(folder / "images.npy"))
    assert np.isnan(lenses.targets["log10_axion_mass"]).all()
    assert lenses.mask is None


def test_rows_come_in_any_order_and_from_another_process(folder: Path, opened: Open) -> None:
    sent = pickle.loads(pickle.dumps(opened()))
    assert sent.read(np.array([1, 0])).id.tolist() == ["deep/b.fits", "a.fits"]


@pytest.mark.parametrize("kind", ["u1", ">i2", ">i4", ">i8", ">u2", ">f4", ">f8"])
def test_numbers_of_every_type_arrive_unchanged_and_native(read: Read, kind: str) -> None:
    values = np.arange(35).reshape(5, 7).astype(kind)
    image = read(values).image
    assert image.dtype.isnative
    np.testing.assert_array_equal(image, values[None])


def raw(data: bytes, *cards: str) -> bytes:
    """A FITS file as the standard has it, card by card, without astropy's help."""
    header = b"".join(f"{card.partition('=')[0]:8}= {card.partition('=')[2]:>20}".encode().ljust(80) for card in cards)
    return padded(header + b"END", b" ") + padded(data, b"\0")


def padded(data: bytes, filler: bytes) -> bytes:
    return data + filler * (-len(data) % 2880)


def test_integers_are_scaled_and_blank_ones_are_nan(read: Read) -> None:
    """The file says value = 10 + 0.5 * integer, and that -99 was not measured."""
    values = np.array([[0, 1, -99], [3, 4, 5]], dtype=">i2").tobytes()
    cards = "SIMPLE=T", "BITPIX=16", "NAXIS=2", "NAXIS1=3", "NAXIS2=2", "BSCALE=0.5", "BZERO=10", "BLANK=-99"
    np.testing.assert_allclose(read(raw(values, *cards)).image, [[[10, 10.5, np.nan], [11.5, 12, 12.5]]])


def test_a_compressed_image_is_read(read: Read) -> None:
    image = np.arange(35, dtype="i4").reshape(5, 7)
    packed = fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(image, name="SCI")])
    np.testing.assert_array_equal(read(packed).image[0], image)


def test_a_header_that_astropy_grumbles_about_is_read_all_the_same(read: Read) -> None:
    """A float image with a BLANK card, which only integers may have."""
    values = np.arange(6, dtype=">f4")
    cards = "SIMPLE=T", "BITPIX=-32", "NAXIS=2", "NAXIS1=3", "NAXIS2=2", "BLANK=-999"
    np.testing.assert_array_equal(read(raw(values.tobytes(), *cards)).image.ravel(), values)


@pytest.fixture
def bands() -> fits.HDUList:
    """Two science images, a weight and a cube, each of one number."""
    planes = {"SCI_F115W": 1.0, "WHT": 9.0, "SCI_F277W": 2.0}
    cube = np.stack([np.full((5, 7), 3.0), np.full((5, 7), 4.0)])
    return extensions(**{name: np.full((5, 7), value) for name, value in planes.items()}, CUBE=cube)


@pytest.mark.parametrize(
    ("chosen", "values"),
    [
        ("ingest.hdus=[3]", [2]),
        ("ingest.hdus=[WHT]", [9]),
        ("ingest.hdus=[sci_f277w, SCI_F115W]", [2, 1]),
        ("ingest.hdus=[SCI_*]", [1, 2]),
        ("ingest.hdus=[SCI_F277W, SCI_*]", [2, 1]),
        ("ingest.hdus=[CUBE, 1]", [3, 4, 1]),
    ],
)
def test_images_are_chosen_by_index_name_and_pattern(
    read: Read, bands: fits.HDUList, chosen: str, values: list[float]
) -> None:
    """Each once, in the order asked for; a cube has its bands first."""
    assert read(bands, chosen).image[:, 0, 0].tolist() == values


def test_bands_are_chosen_after_the_images(read: Read, bands: fits.HDUList) -> None:
    assert read(bands, "ingest.hdus=[CUBE, 1]", "ingest.bands=[2, 0]").image[:, 0, 0].tolist() == [1, 3]
    with pytest.raises(InputError, match=r"x\.fits: no band 2 .*it has 2"):
        read(bands, "ingest.hdus=[CUBE]", "ingest.bands=[2]")


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ("ingest.hdus=[]", r"found HDU 1 SCI_F115W \(5, 7\), HDU 2 WHT .*HDU 4 CUBE \(2, 5, 7\); ingest\.hdus chooses"),
        ("ingest.hdus=[ERR]", r"no image 'ERR' \(ingest\.hdus\); there are HDU 1 SCI_F115W"),
        ("ingest.hdus=[0]", r"no image 0 \(ingest\.hdus\)"),
        ("ingest.hdus=[SCI_*, DQ_*]", r"no image 'DQ_\*'"),
    ],
    ids=["several", "name", "empty primary", "pattern"],
)
def test_a_choice_that_cannot_be_made_lists_what_there_is(
    read: Read, bands: fits.HDUList, chosen: str, message: str
) -> None:
    with pytest.raises(InputError, match=rf"x\.fits: .*{message}"):
        read(bands, chosen)


@pytest.mark.parametrize(
    ("hdus", "message"),
    [
        (extensions(A=np.zeros((5, 7)), B=np.zeros((5, 8))), r"one size, not \[\(5, 7\), \(5, 8\)\]"),
        (extensions(A=np.zeros(7)), r"2 axes, or 3 with the bands first, not of shape \(7,\)"),
        (extensions(A=np.zeros((2, 2, 5, 7))), r"not of shape \(2, 2, 5, 7\)"),
    ],
    ids=["sizes", "spectrum", "four axes"],
)
def test_what_is_no_image_is_refused(read: Read, hdus: fits.HDUList, message: str) -> None:
    with pytest.raises(InputError, match=rf"x\.fits: .*{message}"):
        read(hdus, "ingest.hdus=[A, B]" if len(hdus) > 2 else "ingest.hdus=[]")


def test_a_file_without_an_image_is_refused(read: Read) -> None:
    with pytest.raises(InputError, match=r"x\.fits: expected exactly one image, found none"):
        read(extensions())


@pytest.mark.parametrize("angle", [0.0, 37.0])
def test_the_sky_tells_the_pixel_scale_and_where_a_position_is(read: Read, angle: float) -> None:
    """A second of arc to the north, after astropy's spherical trigonometry, is four pixels of 0.25 arcsec away."""
    frame = read(np.ones((5, 7)), **sky(0.25, angle), PIXSCALE=9.0)
    assert frame.observed["pixel_scale"] == pytest.approx(0.25)
    assert frame.to_pixel is not None
    assert frame.to_pixel(150.1, 2.2) == pytest.approx((3.0, 2.0))  # CRPIX counts from 1
    north = SkyCoord(150.1, 2.2, unit="deg").directional_offset_by(Angle(0, "deg"), Angle(1, "arcsec"))
    x, y = frame.to_pixel(north.ra.deg, north.dec.deg)
    turned = np.radians(angle)
    assert (x - 3, y - 2) == pytest.approx((4 * np.sin(turned), 4 * np.cos(turned)), abs=1e-6)


def test_a_position_behind_the_observer_has_no_pixel(read: Read) -> None:
    to_pixel = read(np.ones((5, 7)), **sky(0.25)).to_pixel
    assert to_pixel is not None
    with pytest.raises(ValueError, match=r"ra = 330\.1, dec = -2\.2 is nowhere in its WCS"):
        to_pixel(330.1, -2.2)


@pytest.mark.parametrize(
    ("cards", "scale"),
    [
        ({"PIXSCALE": 0.05}, 0.05),
        ({"PIXSCALE": "0.05", "SECPIX": 0.06}, 0.06),
        ({"PIXSCALE": 0.0, "CDELT1": -1e-5}, 0.036),
        ({"CD1_1": -0.6e-5, "CD2_1": 0.8e-5}, 0.036),
        ({"CDELT1": 1.0}, None),
        ({}, None),
    ],
    ids=["keyword", "text", "step", "turned", "default step", "nothing"],
)
def test_without_a_sky_keywords_tell_the_pixel_scale_or_params(
    read: Read, cards: dict[str, Any], scale: float | None
) -> None:
    frame = read(np.ones((5, 7)), "ingest.pixel_scale=0.7", **cards)
    assert frame.observed["pixel_scale"] == pytest.approx(scale or 0.7)
    assert frame.to_pixel is None
    assert read(np.ones((5, 7)), **cards).observed.get("pixel_scale") == (scale and pytest.approx(scale))


def test_pixels_that_are_not_square_are_refused(read: Read) -> None:
    assert read(np.ones((5, 7)), **sky(0.1, stretch=1.005)).observed["pixel_scale"] == pytest.approx(0.1)
    with pytest.raises(InputError, match=r"x\.fits: its pixels are 0\.1 x 0\.12 arcsec"):
        read(np.ones((5, 7)), **sky(0.1, stretch=1.2))


def test_a_sky_that_cannot_be_used_is_refused(read: Read) -> None:
    with pytest.raises(InputError, match=r"x\.fits: its WCS cannot be used: "):
        read(np.ones((5, 7)), **sky(0.1) | {"CTYPE2": "DEC--SIN"})


def test_bands_of_different_scales_are_refused(read: Read) -> None:
    hdus = extensions(A=np.ones((5, 7)), B=np.ones((5, 7)))
    hdus[1].header["PIXSCALE"], hdus[2].header["PIXSCALE"] = 0.03, 0.06
    with pytest.raises(InputError, match=r"x\.fits: the pixels of its bands have \[0\.03, 0\.06\] arcsec"):
        read(hdus, "ingest.hdus=[A, B]")


def test_the_header_tells_how_the_image_was_taken(read: Read) -> None:
    """Texts, truth values and what cannot be are ignored; the image's own header comes before the primary one."""
    hdus = extensions(SCI=np.ones((5, 7)))
    hdus[0].header.update({"EXPTIME": 100.0, "GAIN": "high", "CCDGAIN": 1.5, "PHOTZP": True, "ZP": -0.5})
    hdus[1].header.update({"EXPTIME": 200, "GAIN": -1.0})
    assert read(hdus).observed == {"exposure": 200.0, "gain": 1.5, "zero_point": -0.5}


def test_units_are_those_of_the_first_readable_file_unless_params_say(folder: Path, opened: Open) -> None:
    (folder / "0.fits").write_bytes(b"SIMPLE")
    for name, units in (("a.fits", "electron/s"), ("deep/b.fits", "adu")):
        fits.PrimaryHDU(np.ones((5, 7)), fits.Header({"BUNIT": units})).writeto(folder / name, overwrite=True)
    assert opened().units == "electron/s"
    assert opened("ingest.units=nJy").units == "nJy"


def test_files_in_different_units_are_not_mixed(folder: Path, opened: Open) -> None:
    """A file that says nothing is believed to be like the others; params may say that two words mean one unit."""
    for name, header in (("a.fits", {"BUNIT": "ELECTRONS/S"}), ("c.fits", {"BUNIT": "electron/s"}), ("d.fits", {})):
        fits.PrimaryHDU(np.ones((5, 7)), fits.Header(header)).writeto(folder / name, overwrite=True)
    (folder / "deep" / "b.fits").unlink()
    with pytest.raises(Refused) as caught:
        everything(opened())
    assert [name for name, _ in caught.value.reasons.values()] == ["c.fits"]
    assert "its pixels are in electron/s, those of a.fits in ELECTRONS/S" in complaint(lambda: everything(opened()))
    assert everything(opened("ingest.units=electron / s")).id.tolist() == ["a.fits", "c.fits", "d.fits"]


def test_bands_in_different_units_are_not_stacked(folder: Path, opened: Open) -> None:
    hdus = extensions(G=np.ones((5, 7)), R=np.ones((5, 7)))
    hdus[1].header["BUNIT"], hdus[2].header["BUNIT"] = "adu", "electron"
    hdus.writeto(folder / "a.fits", overwrite=True)
    said = complaint(lambda: everything(opened("ingest.hdus=[G,R]", "ingest.pattern=a.fits")))
    assert "the pixels of its bands are in adu and electron (ingest.hdus)" in said


def test_the_pattern_chooses(opened: Open) -> None:
    assert everything(opened("ingest.pattern=deep/*.fits")).id.tolist() == ["deep/b.fits"]


@pytest.mark.parametrize("names", [("a.fits", "deep/b.fits"), ("a", "deep/b")], ids=["with ending", "without"])
def test_labels_are_joined_by_name_in_any_order(folder: Path, opened: Open, names: tuple[str, str]) -> None:
    (folder / "labels.csv").write_text(f"note,id,mass\nx,{names[1]},\ny,elsewhere.fits,1\nz,{names[0]},1e-24\n")
    found = everything(opened("ingest.labels=labels.csv")).targets["log10_axion_mass"]
    np.testing.assert_allclose(found, [-24, np.nan])


@pytest.mark.parametrize("keep", [0, 5, 100, 2880, 2900, 3000])
def test_a_truncated_file_is_refused_by_name(folder: Path, opened: Open, keep: int) -> None:
    path = folder / "a.fits"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(Refused) as refused:
        everything(opened())
    name, reason = refused.value.reasons[0]
    assert name == "a.fits"
    assert "not a readable FITS file: " in reason


@pytest.mark.parametrize(("was", "now"), [(b"XTENSION", b"XTENSIOM"), (b"      -64", b"      -x4")])
def test_a_damaged_extension_does_not_go_unnoticed(
    read: Read, bands: fits.HDUList, tmp_path: Path, was: bytes, now: bytes
) -> None:
    """astropy takes such a header for no image, or drops all that follows: the first image would be the only one."""
    bands.writeto(tmp_path / "whole.fits")
    first, second, rest = (tmp_path / "whole.fits").read_bytes().partition(b"'SCI_F115W'")
    damaged = first + second + rest.replace(was, now, 1)
    with pytest.raises(InputError, match=r"x\.fits: not a readable FITS file: .*corrupted"):
        read(damaged, "ingest.hdus=[SCI_F115W]")


@pytest.mark.parametrize("bitpix", [8, -64])
def test_pixels_that_the_file_cannot_hold_are_not_made_room_for(read: Read, bitpix: int) -> None:
    cards = "SIMPLE=T", f"BITPIX={bitpix}", "NAXIS=2", "NAXIS1=900000", "NAXIS2=900000"
    tracemalloc.start()
    with pytest.raises(InputError, match=r"x\.fits: not a readable FITS file: "):
        read(raw(b"", *cards))
    assert tracemalloc.get_traced_memory()[1] < 2**22
    tracemalloc.stop()


def test_a_compressed_image_far_larger_than_its_file_is_refused(read: Read) -> None:
    packed = fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(np.zeros((3000, 3000), dtype="i4"))])
    with pytest.raises(InputError, match=r"x\.fits: .*announces 36000000 bytes of pixels"):
        read(packed)


def test_an_archive_under_the_name_of_an_image_is_not_unpacked(folder: Path, read: Read) -> None:
    with pytest.raises(InputError, match=r"x\.fits: not a readable FITS file: it does not begin with SIMPLE"):
        read(gzip.compress((folder / "a.fits").read_bytes()))


def test_a_header_of_many_cards_is_read(read: Read) -> None:
    cards = {f"K{i}": i for i in range(5000)}
    assert read(np.ones((5, 7)), **cards, EXPTIME=5.0).observed == {"exposure": 5.0}


def test_a_damaged_file_is_refused_and_the_others_are_read(folder: Path, opened: Open) -> None:
    fits.PrimaryHDU(np.full((5, 7), np.nan)).writeto(folder / "c.fits")
    fits.PrimaryHDU(np.zeros((5, 8))).writeto(folder / "d.fits")
    with pytest.raises(Refused) as refused:
        everything(opened())
    reasons = refused.value.reasons
    assert reasons[1] == ("c.fits", "every pixel is NaN, infinite or masked")
    assert reasons[2][0] == "d.fits"
    assert reasons[2][1].startswith("1 x 5 x 8 pixels, but the first image has 1 x 5 x 7")
    assert opened().read(np.setdiff1d(np.arange(4), list(reasons))).id.tolist() == ["a.fits", "deep/b.fits"]


@pytest.fixture
def beside(tmp_path: Path, generator: np.random.Generator) -> dict[str, np.ndarray]:
    """Two images of 5 x 7 with companions beside and below them, of which the first image's are returned."""
    mask = np.zeros((5, 7), dtype="i2")
    mask[0, :3] = 1, -1, 7
    noise = generator.uniform(1, 2, size=(5, 7))
    noise[0, 0], noise[1, 0], noise[1, 1] = 1000, np.nan, 0
    made = {"noise": noise, "mask": mask, "psf": gaussian(3.0)}
    (tmp_path / "psf").mkdir()
    for stem in ("a", "b"):
        fits.PrimaryHDU(generator.normal(size=(5, 7))).writeto(tmp_path / f"{stem}.fits")
        fits.PrimaryHDU(made["noise"]).writeto(tmp_path / f"{stem}_noise.fits")
        fits.PrimaryHDU(made["mask"]).writeto(tmp_path / f"{stem}_mask.fits")
        fits.PrimaryHDU(made["psf"]).writeto(tmp_path / "psf" / f"{stem}.fits")
    return made


COMPANIONS = (
    'ingest.companions={noise: "{stem}_noise.fits", mask: "{stem}_mask.fits", psf: "psf/{stem}.fits"}',
    "ingest.pixel_scale=0.1",
    "ingest.nan=mask",
)


def test_companions_are_no_images_and_belong_to_theirs(
    tmp_path: Path, section: Callable[..., Any], beside: dict[str, np.ndarray]
) -> None:
    found = source.open_source(section("ingest", f"ingest.path={tmp_path}", *COMPANIONS))
    lenses = everything(found)
    assert lenses.id.tolist() == ["a.fits", "b.fits"]
    used = beside["noise"].ravel()[3:]
    np.testing.assert_allclose(lenses.noise, np.median(used[used > 0]), rtol=1e-6)
    assert lenses.mask is not None
    np.testing.assert_array_equal(lenses.mask[:, 0], [beside["mask"] != 0] * 2)
    np.testing.assert_allclose(lenses.observed["psf_fwhm"], 0.3, rtol=0.02)


@pytest.mark.usefixtures("beside")
def test_a_companion_that_changes_changes_the_fingerprint(tmp_path: Path, section: Callable[..., Any]) -> None:
    chosen = section("ingest", f"ingest.path={tmp_path}", *COMPANIONS)
    before = source.open_source(chosen).fingerprint
    assert source.open_source(chosen).fingerprint == before
    fits.PrimaryHDU(np.ones((9, 5, 7))).writeto(tmp_path / "b_noise.fits", overwrite=True)
    assert source.open_source(chosen).fingerprint != before


@pytest.mark.usefixtures("beside")
@pytest.mark.parametrize(
    ("file", "data", "message"),
    [
        ("a_noise.fits", None, r"a\.fits: its companion a_noise\.fits is not there"),
        ("a_mask.fits", np.zeros((5, 8)), r"a_mask\.fits: 5 x 8 pixels, but its image has 5 x 7"),
        ("a_noise.fits", np.zeros((5, 7)), r"a_noise\.fits: no unmasked pixel of this noise map is above zero"),
        ("a_noise.fits", np.ones((2, 5, 7)), r"a_noise\.fits: one band is needed here, not 2"),
        ("psf/a.fits", np.ones((9, 9)), r"psf/a\.fits: this PSF does not fall to half of its peak"),
        ("psf/a.fits", np.full((9, 9), np.nan), r"psf/a\.fits: this PSF does not fall to half"),
    ],
    ids=["missing", "size", "nothing measured", "bands", "flat PSF", "NaN PSF"],
)
def test_a_companion_that_cannot_be_used_is_named(
    tmp_path: Path, section: Callable[..., Any], file: str, data: np.ndarray | None, message: str
) -> None:
    (tmp_path / file).unlink()
    if data is not None:
        fits.PrimaryHDU(data).writeto(tmp_path / file)
    with pytest.raises(InputError, match=message):
        source.read_image(section("ingest", f"ingest.path={tmp_path}", *COMPANIONS), tmp_path / "a.fits")


@pytest.mark.usefixtures("beside")
def test_a_psf_needs_the_pixel_scale(tmp_path: Path, section: Callable[..., Any]) -> None:
    chosen = section("ingest", f"ingest.path={tmp_path}", COMPANIONS[0])
    with pytest.raises(InputError, match=r"psf/a\.fits: the pixel scale of its image is unknown"):
        source.read_image(chosen, tmp_path / "a.fits")


@pytest.mark.parametrize("pattern", ["../{stem}.fits", "/etc/{stem}"])
def test_companions_outside_the_folder_are_refused(opened: Open, pattern: str) -> None:
    with pytest.raises(InputError, match=rf"ingest\.companions\.noise: '{re.escape(pattern)}' leads out of "):
        opened(f'ingest.companions={{noise: "{pattern}", psf: "", mask: ""}}', "ingest.pattern=a.fits")


def test_companions_may_lie_in_the_folder_next_door(folder: Path, opened: Open) -> None:
    """images/b.fits and noise/b.fits: up and down again, but never above ingest.path."""
    (folder / "noise").mkdir()
    fits.PrimaryHDU(np.full((5, 7), 2.0)).writeto(folder / "noise" / "b.fits")
    lenses = everything(
        opened('ingest.companions={noise: "../noise/{stem}.fits", psf: "", mask: ""}', "ingest.pattern='[dn]*/*.fits'")
    )
    assert lenses.id.tolist() == ["deep/b.fits"]
    assert lenses.noise.tolist() == [2.0]


@pytest.mark.parametrize("width", [2.0, 2.355, 3.0, 5.5, 12.0])
@pytest.mark.parametrize("centre", [(20.0, 20.0), (19.5, 20.5), (20.3, 19.9)])
def test_the_width_of_a_gaussian_is_known_wherever_its_peak_is(width: float, centre: tuple[float, float]) -> None:
    assert companions.fwhm(gaussian(width, *centre)) == pytest.approx(width, rel=0.02)
    assert companions.fwhm(3e-7 * gaussian(width, *centre, shape=(46, 40))) == pytest.approx(width, rel=0.02)


def test_the_width_of_a_moffat_profile_does_not_feel_its_wings() -> None:
    """Whose second moment grows without bound with the frame: 2 a sqrt(2^(1/b) - 1) is its width."""
    y, x = np.indices((81, 81)) - 40
    moffat = (1 + (x**2 + y**2) / 3.0**2) ** -1.5
    assert companions.fwhm(moffat) == pytest.approx(2 * 3 * np.sqrt(2 ** (1 / 1.5) - 1), rel=0.02)


def test_real_telescope_images(shared_data: Path, section: Callable[..., Any]) -> None:
    """119 Pan-STARRS lenses, against astropy's convenience reader and what the survey says of itself."""
    folder = shared_data / "panstarrs" / "lensed_galaxies"
    lenses = everything(source.open_source(section("ingest", f"ingest.path={folder}")))
    assert lenses.images.shape == (119, 1, 120, 120)
    for name, image, exposure in zip(lenses.id, lenses.images[:, 0], lenses.observed["exposure"], strict=True):
        data, header = fits.getdata(folder / name, header=True)
        np.testing.assert_array_equal(image, data)
        assert exposure == header["EXPTIME"]
    np.testing.assert_allclose(lenses.observed["pixel_scale"], 0.25, rtol=1e-6)
    np.testing.assert_array_equal(lenses.observed["zero_point"], 25)  # FPA.ZP
    assert np.all((lenses.observed["gain"] > 0.8) & (lenses.observed["gain"] < 1.3))  # CELL.GAIN


def test_the_position_of_a_real_lens_is_in_the_middle_of_its_cutout(
    shared_data: Path, section: Callable[..., Any]
) -> None:
    """A Pan-STARRS header with the old PC001001 cards; the name tells right ascension and declination."""
    path = shared_data / "panstarrs" / "lensed_galaxies" / "ACSJ140237_11_542716_4_i.fits"
    frame = source.read_image(section("ingest", f"ingest.path={path.parent}"), path)
    there = SkyCoord("14h02m37.11s +54d27m16.4s")
    assert frame.to_pixel is not None
    assert frame.to_pixel(there.ra.deg, there.dec.deg) == pytest.approx((59.5, 59.5), abs=4)


def test_the_defective_telescope_images_are_refused_by_name(shared_data: Path, section: Callable[..., Any]) -> None:
    frames = source.open_source(section("ingest", f"ingest.path={shared_data / 'panstarrs'}"))
    names = [f"defective/{path.name}" for path in sorted((shared_data / "panstarrs" / "defective").glob("*.fits"))]
    with pytest.raises(Refused) as refused:
        everything(frames)
    reasons = dict(refused.value.reasons.values())
    assert sorted(reasons) == names
    assert "every pixel is NaN" in reasons["defective/HAHJ1328-3132_i.fits"]
    assert sum(bool(re.match(r"\d+ of 14400 pixels are NaN", reason)) for reason in reasons.values()) == 3


@pytest.mark.parametrize(
    ("place", "scale", "side"),
    [("hst/slacs0946+1006", 0.05, 281), ("jwst/wavebands/F115W", 0.03, 419), ("jwst/wavebands/F277W", 0.06, 209)],
)
def test_space_telescope_images_with_their_companions(
    shared_data: Path, section: Callable[..., Any], place: str, scale: float, side: int
) -> None:
    """The noise is that of the sky, the mask spares the lens, the PSF is as sharp as a mirror of that size allows."""
    folder, chosen = shared_data / place, (f"ingest.pixel_scale={scale}", "ingest.nan=mask", PYAUTOLENS)
    lenses = everything(source.open_source(section("ingest", f"ingest.path={folder}", *chosen)))
    assert lenses.id.tolist() == ["data.fits"]
    assert lenses.images.shape == (1, 1, side, side)
    assert lenses.observed["pixel_scale"].tolist() == [scale]
    noise, mask = fits.getdata(folder / "noise_map.fits"), fits.getdata(folder / "mask_extra_galaxies.fits")
    assert lenses.noise[0] == pytest.approx(np.median(noise[mask == 0]))
    assert lenses.mask is not None
    assert not lenses.mask[0, 0, side // 2, side // 2]
    np.testing.assert_array_equal(lenses.mask[0, 0], mask == 1)
    assert scale < lenses.observed["psf_fwhm"][0] < 3 * scale
    used = mask == 0
    np.testing.assert_array_equal(lenses.images[0, 0][used], fits.getdata(folder / "data.fits").astype("f4")[used])


def test_labels_of_a_real_catalogue(shared_data: Path, section: Callable[..., Any]) -> None:
    """Half the image separation is a rough Einstein radius; where the catalogue is empty it is unknown."""
    opened = source.open_source(
        section(
            "ingest",
            f"ingest.path={shared_data / 'panstarrs'}",
            "ingest.pattern=lensed_galaxies/*.fits",
            "ingest.labels=catalogue.csv",
            "ingest.label_id=path",
            "ingest.targets={separation: {column: image_sep_arcsec, unit: arcsec}}",
        )
    )
    found = everything(opened).targets["separation"]
    assert 0 < np.isfinite(found).sum() < len(found)
    assert np.nanmin(found) > 0
