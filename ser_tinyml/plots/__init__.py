"""How things look: one module a stage, one style for all."""
