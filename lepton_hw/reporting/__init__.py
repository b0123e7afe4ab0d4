"""The report: one HTML file from the figures of a build. Measures and decides nothing itself."""
