"""The download core: pure decisions, and one engine that carries them out."""
