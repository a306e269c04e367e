"""What the rows of a group share, and how strong that is: one module for each kind of column."""
