"""Both sides of every promise of a theorem, on its own networks.

``trials`` trains the networks that a statement's setting names, ``observed`` says what a run shows of each quantity,
``reading`` reads it for the symbols of a statement, ``sides`` holds it against a promise, and ``judging`` does so for
all editions of a statement, with their conditions.
"""
