"""The command line: a file a group of commands, over every other folder; `almanac.py` opens it.

What a command needs is imported inside it, so that `almanac --help` answers at once.
"""
