"""The pages of the operator of a home, who sees all customers; only `hourtally ui` has them."""
