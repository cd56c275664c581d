"""The chapters of the report: from what the stages wrote to what the page is told (`pipeline/page/schema.py`).

`sources` reads it all. `verdict` and `errors` tell what `compare` found, `lenses` the predictions and the images,
`cost` and `making` what the runs say of themselves.
"""
