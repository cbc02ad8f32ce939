"""What runs mean: which of them count, what they are side by side, and why to doubt it. Pure."""
