"""Golden traces: recorded calls that any runtime can replay with no checkpoint at hand."""
