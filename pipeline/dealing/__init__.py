"""Dealing rows to roles: whole groups, alike in the targets, and the same whatever order the rows come in.

`groups` says which rows must not be parted, `deal` deals them in given shares, `schemes` says who is the test, and
`balance` measures what came of it. Nothing here reads or writes a file.
"""
