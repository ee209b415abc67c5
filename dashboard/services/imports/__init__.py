"""Moving in: journals from elsewhere. `entries` brings one in; the other modules read, order and compare.

The source is never altered, and nothing is written that was not read.
"""
