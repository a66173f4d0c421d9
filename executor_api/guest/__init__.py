"""What runs inside the sandbox. Standard library only; nothing here decides a verdict."""
