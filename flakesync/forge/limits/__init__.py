"""What a forge allows in how much time: how long a call waits, and when all of them will be done."""
