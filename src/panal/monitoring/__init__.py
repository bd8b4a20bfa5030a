"""What a running tracker or peer tells those who watch over it: numbers, health, readiness."""
