"""From CSV lines to the entity's table: staged or straight, and applied with exact counts."""
