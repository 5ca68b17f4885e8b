"""What `almanac doctor` looks at: each module checks one side, and changes nothing."""
