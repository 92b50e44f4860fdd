"""Charts: each module turns results into figures, one question a module."""
