"""Charts: what one says (`spec`), and its two drawings (`svg` at build, `plotly` live)."""
