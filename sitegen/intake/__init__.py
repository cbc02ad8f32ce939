"""What brings runs in: a round of `collect`, files of other tools, tidy rows, packs, remarks."""
