"""The page Waiting for you: the tasks and messages of a person."""
