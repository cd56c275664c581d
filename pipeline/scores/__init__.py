"""What is measured of the predictions of one target: numbers in, numbers out; nothing here reads or writes a file.

Errors are prediction − truth, in the target's own unit. Predictions are (s, n): seeds × test lenses; `groups` says
which lenses share a halo or a source and so count as one draw. `point` and `order` measure single answers, `intervals`
say how far the measure would differ for other seeds and other lenses, `bins` and `plateau` where in the range of a
label it is good or worth nothing. `distribution` and `tarp` judge predicted spreads, `conformal` makes them honest.

A prediction that is not finite is refused: whoever calls must count such rows and say so (`gaps`).
"""
