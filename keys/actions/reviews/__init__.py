"""Review keys: campaigns, their frozen items, decisions, sign-off and certificates."""
