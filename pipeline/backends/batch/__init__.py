"""What the backend `openai_batch` is made of: calls to the provider, the memory of batches, their limits."""
