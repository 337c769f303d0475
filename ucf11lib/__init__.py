"""Three action recognisers on UCF-11: data, models, training, evaluation and the report that they rebuild."""

__version__ = "0.1.0"
