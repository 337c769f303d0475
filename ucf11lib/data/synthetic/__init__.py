"""The synthetic stand-in for UCF-11."""
