"""What the tables of a training hold and lack, measured as they are trained on."""
