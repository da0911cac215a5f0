"""The pages that are not chapters, and the scripts that build, run and check the book."""
