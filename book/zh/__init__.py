"""The Chinese edition: catalogues of what the book says, and what makes and checks notebooks and pages of them."""
