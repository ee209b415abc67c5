"""What people take away to check rounds by themselves; it imports nothing of Purser."""
