"""The shared service module: rules and writes, one file per capability.

Services receive the session and never commit; everything after it is keyword-only. They take `now`
and an Actor, and know neither Flask nor HTTP.
"""
