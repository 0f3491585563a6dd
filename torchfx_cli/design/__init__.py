"""Design: a ChainSpec and a sample rate become stages with coefficients, in float64, with numpy alone."""
