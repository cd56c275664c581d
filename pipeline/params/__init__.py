"""params.yaml as checked values.

A stage asks for the keys it needs and gets nothing else, so that the `params:` of dvc.yaml can be held against the
code (tests/test_dvc.py does). The whole file is validated every time: a mistake in the last section stops the first
stage, not the last.

The file is read as YAML 1.2, as DVC reads it: PyYAML would take `1e-3` for a string and `on` for a boolean.
"""

from pipeline.params.basis import Kind as Kind
from pipeline.params.features import PLACEBOS as PLACEBOS
from pipeline.params.features import Features as Features
from pipeline.params.features import Recipe as Recipe
from pipeline.params.ingest import PROBABILITY as PROBABILITY
from pipeline.params.ingest import Companions as Companions
from pipeline.params.ingest import Cutout as Cutout
from pipeline.params.ingest import Ingest as Ingest
from pipeline.params.ingest import Resample as Resample
from pipeline.params.ingest import Step as Step
from pipeline.params.ingest import TargetSource as TargetSource
from pipeline.params.reading import plain as plain
from pipeline.params.reading import read as read
from pipeline.params.simulation import Prior as Prior
from pipeline.params.simulation import Simulation as Simulation
from pipeline.params.simulation import Subhalos as Subhalos
from pipeline.params.split import Audit as Audit
from pipeline.params.split import Fractions as Fractions
from pipeline.params.split import Normalise as Normalise
from pipeline.params.split import Split as Split
from pipeline.params.stages import SHIFTS as SHIFTS
from pipeline.params.stages import Baselines as Baselines
from pipeline.params.stages import Compare as Compare
from pipeline.params.stages import Conditions as Conditions
from pipeline.params.stages import Engine as Engine
from pipeline.params.stages import Predict as Predict
from pipeline.params.stages import Report as Report
from pipeline.params.stages import Shift as Shift
from pipeline.params.train import Average as Average
from pipeline.params.train import Fit as Fit
from pipeline.params.train import Loss as Loss
from pipeline.params.train import Progressive as Progressive
from pipeline.params.train import RangeTest as RangeTest
from pipeline.params.train import Scaling as Scaling
from pipeline.params.train import Schedule as Schedule
from pipeline.params.train import Train as Train
from pipeline.params.train import Watch as Watch
from pipeline.params.whole import Params as Params
