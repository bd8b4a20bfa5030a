"""What tries to break Panal at length; each `python -m soaks.<name>` prints trials and findings.

Beside `benchmarks/`, which says how fast: a soak says what broke. Its quick form is in
`tests/reliability/`.
"""
