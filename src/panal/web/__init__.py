"""The door for HTTP: the owner's JSON, which calls the façade and nothing below it."""
