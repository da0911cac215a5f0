"""The class kit: graded work, quizzes, slides and notes of each week, and what builds, checks and grades them."""
