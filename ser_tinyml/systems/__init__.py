"""The field's other systems, rebuilt: each in one module, all behind one face (`face.System`)."""
