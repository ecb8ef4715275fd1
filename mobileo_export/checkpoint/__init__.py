"""A checkpoint on disk: files, configurations, tensors, tokenizer, licence."""
