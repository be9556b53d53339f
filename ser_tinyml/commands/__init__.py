"""What users type: one module for each group of commands, which import the rest when they run."""
