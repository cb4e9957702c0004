"""What list and sql find: tables, JSON and CSV."""
