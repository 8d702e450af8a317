"""bpnet beside its peers, interleaved in one run; prints ratios, never bare times."""
