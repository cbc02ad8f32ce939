"""The site as files: building, rendering, looking at it and publishing it."""
