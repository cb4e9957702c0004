"""One event, validated strictly: the rules that decide what is accepted."""
