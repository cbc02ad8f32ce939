"""What the budgets of sitegen are measured with: CPU seconds and ratios, never wall clocks."""
