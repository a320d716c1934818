"""How a typed function is declared, called and read back."""
