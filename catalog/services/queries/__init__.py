"""What a query asks for: words, attributes and filters, understood or refused."""
