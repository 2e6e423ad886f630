"""What another configuration would answer otherwise, found out before it is in force."""
