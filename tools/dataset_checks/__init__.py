"""The parts of conformance.py: what a manifest promises, reading a dataset, checking samples, recomputing."""
