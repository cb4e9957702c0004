"""One event, judged strictly: the rules that decide what is accepted (contract, section 2)."""
