"""From samples to numbers, in fixed memory: histograms, windows, and whether the generator itself was honest.

Nothing in here reads a clock, opens a file or prints: timestamps come in as values.
"""
