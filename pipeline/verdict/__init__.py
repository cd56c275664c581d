"""The verdict: cells of predictions in, questions answered and put into words.

`cells` reads what the runs said, `measures` what each is worth, `questions` asks which is better, `judging` puts all of
it together, `words` writes it down; `manifest` lists what every arm was given, `experiments` compares DVC experiments.
"""
