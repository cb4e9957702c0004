"""What reads published revisions: documents, views, totals, diffs, explanations, exports."""
