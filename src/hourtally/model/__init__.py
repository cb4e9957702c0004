"""Hours, money, table schemas: the vocabulary that every other package uses."""
