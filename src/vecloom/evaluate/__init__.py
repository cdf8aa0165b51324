"""How good an encoder is, on public benchmarks and on your own text, and whether a difference is real."""
