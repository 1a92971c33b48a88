"""Sign in with the provider of the organisation, and confirm an identity there."""
