"""What is wrong with this host, and the commands that mend it. Looks, and changes nothing."""
