"""What the picks of finished runs are worth to another network or method that is trained on them."""
