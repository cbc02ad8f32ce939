"""What is known beforehand: metrics and their units, benchmarks, parameters."""
