"""Offers from the log of decisions: trials, learners compared, policies valued, a model fitted."""
