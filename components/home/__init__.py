"""The first page: a race of two answers, and the doors to the other pages."""
