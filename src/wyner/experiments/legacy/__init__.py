"""What tables that are not yet studies still import; goes with the last of them."""
