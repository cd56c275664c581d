"""The verdict: cells of predictions in, questions answered and put into words.

`cells` reads what the runs said, `answers` sees which of it counts, `measures` what each cell is worth, `questions`
asks which is better, `judging` finds out; `record` and `text` write it down, in the `words` of both. `manifest` lists
what every arm was given, `experiments` compares DVC experiments.
"""
