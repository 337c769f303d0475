"""The course's form of UCF-11: two pickles without clips and groups."""
