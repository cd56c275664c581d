"""Stage `compare`: all predictions into metrics, intervals, and a verdict.

    python -m pipeline.compare data/predictions data/baselines data/lenses.parquet data/runs data/split.json \
        data/audit.json data/shifted/predictions data/metrics.json data/verdict.md data/by_bin.csv data/verdict.json
    python -m pipeline.compare --experiments main exp-a exp-b

Everything is in the target's own units (dex for a log mass) and from the test rows. A cell is an input, a backbone and
a training size; its figures are means over seeds. Whether an input beats `raw` is answered by the paired difference on
the same seeds and lenses (`pipeline/contrasts`), of a family that was declared before (`pipeline/verdict/questions`).
With `--experiments` the cells of several DVC experiments are compared with those of the first.
"""

import json
import sys
from collections.abc import Iterable
from itertools import product

from pipeline import atomic, findings, params, tables
from pipeline.command import run
from pipeline.lenses import read as table_of_lenses
from pipeline.places import place
from pipeline.verdict import cells as reading
from pipeline.verdict import experiments, record, robustness, text
from pipeline.verdict.judging import SHORTCUTS, judged
from pipeline.verdict.manifest import improper, manifest, unequal
from pipeline.verdict.questions import families


def compare(
    predictions: str,
    baselines: str,
    lenses: str,
    runs: str,
    split: str,
    audit: str,
    shifted: str,
    metrics: str,
    verdict: str,
    by_bin: str,
    details: str,
    overrides: Iterable[str] = (),
) -> None:
    """Read the runs that params.yaml names and write the metrics, the verdict, the error by bin and everything else.

    What the audit warned of, and what it was told to accept, stands at the top of the verdict, with the runs and
    answers that are missing.
    """
    inputs, backbones, sizes, seeds, features, shift, chosen = params.read(
        overrides, "train.inputs", "train.backbones", "train.sizes", "train.seeds", "features", "shift", "compare"
    )
    keys = list(product(inputs, backbones, map(str, sizes)))
    cells, missing = reading.read(place(predictions), keys, seeds)
    known = place(baselines)
    plain = {name: tables.read(known / f"{name}.parquet", role="test") for name in [*inputs, SHORTCUTS]}
    dealt = json.loads(place(split).read_text())
    described, images = table_of_lenses(lenses, dealt["rows"]), dealt["counts"]["train"]
    budget = manifest(place(runs), keys, seeds)
    missing += [*unequal(budget), *improper(budget, tables.of_classes(plain[SHORTCUTS]))]
    asked = families(cells, features.placebos, features.ablations)
    found = judged(cells, missing, plain, described, asked, images, chosen)
    under = robustness.robustness(place(shifted), shift.kinds, found.cells, features.recipes, described, chosen)
    shown = text.markdown(found, findings.read(audit)) + robustness.markdown(under, found.units, chosen.confidence)
    atomic.write(metrics, record.written(record.metrics(found)))
    atomic.write(verdict, shown)
    atomic.write(by_bin, found.by_bin.to_csv(index=False, float_format="%.6g"))
    more = {"manifest": budget.to_dict("records"), "robustness": robustness.record(under)}
    said = [*found.said, *under.said]
    atomic.write(details, record.written(record.details(found) | more | {"said": said}))
    print(shown)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--experiments"]:
        experiments.main(sys.argv[2:])
    else:
        run(compare, "PREDICTIONS BASELINES LENSES RUNS SPLIT AUDIT SHIFTED METRICS VERDICT BY_BIN DETAILS")
