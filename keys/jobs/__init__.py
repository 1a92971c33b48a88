"""What runs in the background: sweeps over durable state, each of which may be run at any time, and twice."""
