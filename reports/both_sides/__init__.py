"""Both sides of every promise of a theorem, on its own networks.

``trials`` trains the networks that a statement's setting names, ``observed`` reads what a run shows of the symbols
that formulas are written in, and ``judging`` holds one against the other.
"""
