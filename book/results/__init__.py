"""The ledger of full runs, what fills it and what makes pages of it; each module runs as ``python -m book.results.NAME``."""
