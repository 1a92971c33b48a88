"""Read the database for pages and exports, limited to the rows that the actor may see."""
