"""The verdict: cells of predictions in, questions answered and put into words.

`cells` reads what the runs said, `answers` sees which of it counts, `measures` what each cell is worth, `questions`
asks which is better, `judging` finds out; `classes` is about targets that are classes, `learning` about several
training sizes. `record` and `text` write it down, in the `words` of both. `manifest` lists what every arm was given,
`robustness` asks what other conditions cost, `experiments` compares DVC experiments.
"""
