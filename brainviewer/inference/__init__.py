"""The two networks at work: preprocessing, engines, bundles, analysis."""
