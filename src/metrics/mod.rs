//! Metrics, one a file, by scikit-learn's definitions. Pure functions of slices.
