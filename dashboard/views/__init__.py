"""From HTTP to one service call or query, and back. One blueprint per area; no arithmetic, no `select`."""
