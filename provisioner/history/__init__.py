"""The history of runs: what apply and verification did and showed, recorded once and never changed."""
