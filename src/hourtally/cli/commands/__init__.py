"""The commands, each with its options; `cli` puts them together and says what went wrong.

Every command imports what it needs when it runs: the engines take half a second to import,
and `--help` or `show` do without most of them.
"""
