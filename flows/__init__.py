"""The pipeline as Prefect flows; the only code that imports Prefect."""
