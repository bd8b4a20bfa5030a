"""Who is who in a network: certificates, and the TLS that asks for them."""
