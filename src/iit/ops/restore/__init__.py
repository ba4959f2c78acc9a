"""Bringing backups back: beside what runs first, checked, then in its place."""
