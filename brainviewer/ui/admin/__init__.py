"""The hidden administration: checking labelled data, training, judging and switching models."""
