"""What is said of many repos that have the same problem."""
