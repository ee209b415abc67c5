"""Moving in. `entries` brings in a journal from elsewhere, `legacy_wallets` the old tables of wallets and
bonuses, which `legacy_undo` takes back; the other modules read, put together and compare.

The source is never altered, and nothing is written that was not read.
"""
