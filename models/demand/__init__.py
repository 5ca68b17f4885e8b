"""How much of what each region will want: members, blend, intervals."""
