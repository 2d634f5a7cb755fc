"""What the engines of this machine or of a cluster are made of. An engine runs in a process of its own: `child`."""
