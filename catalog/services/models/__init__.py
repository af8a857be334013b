"""Model versions: trained on catalogs, calibrated, measured, and held to what they were."""
