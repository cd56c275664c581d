"""`ingest`: where images and labels come from, and what is done to every frame."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from pipeline.params.basis import Count, Positive, Section, Unique

PROBABILITY = "probability"  # the unit of a target that is 1 for the images of some classes and 0 for all others


class TargetSource(Section):
    """Where a target comes from: a column of the labels, its unit there, and what is done to it; or classes, and then
    it is 1 for their images and 0 for those of any other class."""

    column: str = ""
    unit: str = ""
    transform: Literal["none", "log10"] = "none"
    classes: Annotated[list[str], Unique] = Field(default_factory=list)

    @model_validator(mode="after")
    def one_kind(self) -> "TargetSource":
        if bool(self.column) == bool(self.classes):
            raise ValueError("a target is of one column, or of classes: write {column: mass}, or {classes: [vort]}")
        if self.classes and (self.unit or self.transform != "none"):
            raise ValueError("of classes a target is 0 or 1; leave out unit and transform")
        return self


class Companions(Section):
    """Files that belong to an image, beside it; `{stem}` stands for its name without the ending. "": none."""

    noise: str = ""
    psf: str = ""
    mask: str = ""


class Cutout(Section):
    """A square of `size` pixels about the frame's centre, or about a position that columns of the labels give."""

    size: Count
    x: str = ""
    y: str = ""
    ra: str = ""
    dec: str = ""

    @model_validator(mode="after")
    def one_position(self) -> "Cutout":
        if (bool(self.x), bool(self.y), bool(self.ra), bool(self.dec)) not in POSITIONS:
            raise ValueError("name the columns x and y [pixels], or ra and dec [degrees], or none for the centre")
        return self


POSITIONS = {(False,) * 4, (True, True, False, False), (False, False, True, True)}


class Resample(Section):
    """To pixels of another size, flux conserved."""

    pixel_scale: Positive


class Step(Section):
    """One thing done to every frame."""

    cutout: Cutout | None = None
    resample: Resample | None = None

    @model_validator(mode="after")
    def one(self) -> "Step":
        if (self.cutout is None) == (self.resample is None):
            raise ValueError("one step is one of cutout and resample; write each as an item of its own")
        return self


class Ingest(Section):
    source: Literal["simulation", "deeplense", "fits", "hdf5", "npz", "zarr", "table"]
    path: str
    pattern: str
    labels: str
    label_id: str
    file_column: str
    class_column: str
    identities: Annotated[list[str], Unique]
    dataset: str
    hdus: Annotated[list[int | str], Unique]
    bands: Annotated[list[Annotated[int, Field(ge=0)]], Unique]
    companions: Companions
    pixel_scale: Positive | None
    psf_fwhm: Positive | None
    units: str
    nan: Literal["refuse", "mask", "inpaint"]
    prepare: list[Step]
    noise: Literal["border", "starlet"]
    max_quarantined: Annotated[float, Field(ge=0, le=1)]
    targets: Annotated[dict[str, TargetSource], Field(min_length=1)]
