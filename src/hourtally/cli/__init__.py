"""The command line: `app` parses, `commands` call one function each, `output` prints."""
