"""Paired comparisons: is one arm's error smaller than another's, by how much, and how sure can one be?

An arm is one way of predicting; its errors are (seeds, test lenses), the same seeds and lenses in every arm. `samples`
forms the metric, `resampling` draws seeds and lens groups, `intervals` reads intervals off the draws; `sign_flip`,
`families`, `equivalence` and `power` are the other parts of a judgement, which `verdict` and `interaction` put
together. `efficiency` turns errors at several training sizes into images saved. Nothing here reads or writes a file.
"""
