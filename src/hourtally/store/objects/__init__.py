"""A home in an object store: s3://, gs://, az://, and memory:// for tests."""
