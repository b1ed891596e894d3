"""Common information of tables of probabilities: the parts behind `wyner.information.pmf`."""
