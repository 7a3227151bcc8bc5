//! To be written: parses and prints `.drv` files.
