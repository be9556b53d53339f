"""What users run on recordings."""
