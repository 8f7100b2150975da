"""Behaviour: what is rare or new for this entity, and how people log on."""
