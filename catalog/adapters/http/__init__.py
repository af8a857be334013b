"""Files of other servers, fetched under guard."""
