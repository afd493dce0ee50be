//! Database rows and stored objects of the registry.
