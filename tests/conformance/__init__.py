"""coremltools' own operation tests, run through our evaluator on any machine."""
