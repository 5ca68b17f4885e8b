"""The contract, the predictor, the BentoML service. Never trains or re-implements a feature."""
