"""Models under traffic: taking over what is published, and trying a challenger beside it."""
