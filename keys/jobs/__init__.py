"""The background jobs. Each works on durable state and may run at any time and more than once."""
