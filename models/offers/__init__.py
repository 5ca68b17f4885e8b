"""Which offer: uplift from experiments, the cell rule to beat, margins, and "offer nothing"."""
