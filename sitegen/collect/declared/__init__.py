"""Declared tools: the one engine that carries tables out and reads outputs by their patterns."""
