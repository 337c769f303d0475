"""Three action recognisers on UCF-11, and the course report on them."""
