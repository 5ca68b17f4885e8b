"""The vocabulary, the sources, the table engine and the features; knows no other room."""
