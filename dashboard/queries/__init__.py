"""Reads for the pages, one file per area; they never write."""
