"""Models: from landmarks to a bundle that scores and explains. Arrays and files; no SQL, no HTTP."""
