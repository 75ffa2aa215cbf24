"""The exhibit: a push and a pull deployer, to be read side by side."""
