"""Who is who: identifiers, the rules they are linked by, and what is only proposed."""
